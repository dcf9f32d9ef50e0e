import type { Telegraf } from 'telegraf'
import type { Opts, Telegram } from 'telegraf/types'

const CALL_MS = 15_000
const UPLOAD_MS = 120_000

/** How Telegram answered a call that it did not take, or why there was no answer. */
export class TelegramCallError extends Error {
  override name = 'TelegramCallError'

  constructor(
    readonly method: string,
    /** Telegram's error code; 0 when there was no answer. */
    readonly status: number,
    readonly description: string,
    readonly parameters: { retry_after?: number; migrate_to_chat_id?: number } = {},
    options?: ErrorOptions,
  ) {
    super(`${method}: ${status} ${description}`, options)
  }

  /** The same call may go through later. */
  get passing(): boolean {
    return this.status === 0 || this.status === 429 || this.status >= 500
  }
}

export type Method = keyof Telegram
export type Result<M extends Method> = ReturnType<Telegram[M]>

export type CallWatch = (result: 'ok' | 'refused' | 'rate_limited' | 'no_answer') => void

/** Calls of the Bot API, each with a deadline. What goes to a chat belongs into the outbox, which keeps the limits. */
export class TelegramApi {
  constructor(
    private readonly telegraf: Telegraf,
    /** For the metrics. */
    private readonly onCall: CallWatch = () => undefined,
  ) {}

  async call<M extends Method>(
    method: M,
    payload: Opts<M>,
    { signal, timeoutMs }: { signal?: AbortSignal; timeoutMs?: number } = {},
  ): Promise<Result<M>> {
    const fields = payload as Record<string, unknown>
    const deadline = AbortSignal.timeout(timeoutMs ?? (hasFile(fields) ? UPLOAD_MS : CALL_MS))
    const ends = signal ? AbortSignal.any([deadline, signal]) : deadline
    try {
      // telegraf's types want the signal of a package; at run time it is the same thing.
      const options = { signal: ends } as unknown as Parameters<Telegraf['telegram']['callApi']>[2]
      const answer = await this.telegraf.telegram.callApi(method, forForm(fields) as Opts<M>, options)
      this.onCall('ok')
      return answer
    } catch (error) {
      const told = asCallError(method, error)
      if (!signal?.aborted)
        this.onCall(told.status === 0 ? 'no_answer' : told.status === 429 ? 'rate_limited' : 'refused')
      throw told
    }
  }

  /** Where to fetch a file that `getFile` told of. Holds the token: never log it. */
  fileUrl(path: string): string {
    const { apiRoot } = this.telegraf.telegram.options
    return `${apiRoot.replace(/\/$/, '')}/file/bot${this.telegraf.telegram.token}/${path}`
  }
}

function hasFile(fields: Record<string, unknown>): boolean {
  const isFile = (value: unknown): boolean =>
    typeof value === 'object' && value !== null && ('source' in value || ('media' in value && isFile(value.media)))
  return Object.values(fields).some(isFile)
}

/** telegraf drops objects that it does not know from forms, `reply_parameters` among them; as JSON text they arrive. */
function forForm(fields: Record<string, unknown>): Record<string, unknown> {
  const { reply_parameters: reply } = fields
  if (!hasFile(fields) || typeof reply !== 'object') return fields
  return { ...fields, reply_parameters: JSON.stringify(reply) }
}

function asCallError(method: string, error: unknown): TelegramCallError {
  const response = (error as { response?: { error_code?: number; description?: string; parameters?: object } }).response
  if (response) {
    const { error_code = 500, description = 'no description', parameters } = response
    return new TelegramCallError(method, error_code, description, parameters)
  }
  // Without telegraf's own error: the network, a deadline, or an answer that is no JSON. Its text may hold the token.
  const name = error instanceof Error ? error.name : 'Error'
  const code = (error as { code?: unknown }).code
  return new TelegramCallError(method, 0, typeof code === 'string' ? code : name)
}
