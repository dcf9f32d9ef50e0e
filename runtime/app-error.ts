/** What went wrong, in the words that every edge (HTTP, gRPC, Telegram) translates in one table of its own. */
export const errorCodes = [
  'invalid',
  'unauthenticated',
  'forbidden',
  'not_found',
  'conflict',
  'not_ready',
  'rate_limited',
  'unprocessable',
  'too_slow',
  'too_large',
  'unsupported_type',
  'not_supported',
  'storage_full',
  'not_satisfiable',
  'gone',
  'internal',
  'unavailable',
  'timeout',
] as const

export type ErrorCode = (typeof errorCodes)[number]

export interface AppErrorOptions extends ErrorOptions {
  /** The specific, stable reason that callers may test for, such as `quota_exceeded`. The code unless given. */
  reason?: string
  /** When asking again makes sense. */
  retryAfterMs?: number
  /** What programs need to know besides: fields of the answer. */
  more?: Readonly<Record<string, unknown>>
}

/** A failure we expected. `message` may be shown to the caller; `cause` goes to the log. */
export class AppError extends Error {
  override name = 'AppError'
  readonly reason: string
  readonly retryAfterMs: number | undefined
  readonly more: Readonly<Record<string, unknown>> | undefined

  constructor(
    readonly code: ErrorCode,
    message: string,
    options: AppErrorOptions = {},
  ) {
    super(message, options)
    this.reason = options.reason ?? code
    this.retryAfterMs = options.retryAfterMs
    this.more = options.more
  }
}

/** Anything else that was thrown is a bug or an outage, and callers learn nothing from it. */
export function toAppError(thrown: unknown): AppError {
  if (thrown instanceof AppError) return thrown
  return new AppError('internal', 'Something broke. The log has the details.', { cause: thrown })
}
