/** What a key stands for, and what was answered under it. No I/O. */
import { createHash } from 'node:crypto'
import type { TenantId } from '../../proto/contract.js'
import { AppError, type ErrorCode, toAppError } from '../../runtime/app-error.js'

/** What the first request was answered. A refusal is told again in the words of the error it was. */
export type StoredAnswer =
  | { status: number; location?: string; body?: unknown }
  | { refusal: { code: ErrorCode; reason: string; message: string } }

export interface IdempotencyKey {
  /** Stands for tenant, route and key: what callers wrote is not kept. */
  id: string
  tenantId: TenantId
  /** Stands for what was asked; empty while that is still being uploaded. */
  fingerprint: string
  /** Who works on it; null once it is answered. */
  holder: string | null
  /** ms since the epoch. */
  leaseUntil: number | null
  /** The id of what it made. */
  made: string | null
  answer: StoredAnswer | null
  /** ms since the epoch. */
  expiresAt: number
}

/** A request that brings a key. */
export type KeyedRequest = Pick<IdempotencyKey, 'id' | 'tenantId' | 'fingerprint'>

/** A key as a request brings it, before it is known what exactly is asked. */
export interface GivenKey {
  id: string
  tenantId: TenantId
  asks(body: unknown, sessionId?: string): KeyedRequest
  /** For uploads: what is asked is known only when it has come. */
  asksLater(): KeyedRequest
}

const KEEP_MS = 72 * 3_600_000

/** A key is kept for 72 hours from its first request. */
export function keptUntil(now: number, keepMs = KEEP_MS): number {
  return now + keepMs
}

/** Throws `invalid` (`invalid_idempotency_key`). `route` names the method, too. */
export function givenKey(text: string, route: string, tenantId: TenantId): GivenKey {
  if (!/^[\x21-\x7e]{1,255}$/.test(text)) {
    throw new AppError('invalid', 'Idempotency-Key: must be 1 to 255 visible ASCII characters without blanks.', {
      reason: 'invalid_idempotency_key',
    })
  }
  const id = digest(tenantId, route, text)
  return {
    id,
    tenantId,
    asks: (body, sessionId = '') => ({ id, tenantId, fingerprint: digest(route, sessionId, canonical(body)) }),
    asksLater: () => ({ id, tenantId, fingerprint: '' }),
  }
}

/** Throws `unprocessable` when something else was asked under this key, and `conflict` while it is worked on. */
export function checkSame(known: IdempotencyKey, asked: KeyedRequest): void {
  if (differs(known, asked)) {
    throw new AppError('unprocessable', 'This Idempotency-Key was used for another request.', {
      reason: 'idempotency_key_reused',
    })
  }
  if (known.holder !== null) throw inProgress()
}

export function differs(known: IdempotencyKey, asked: KeyedRequest): boolean {
  return known.fingerprint !== '' && asked.fingerprint !== '' && known.fingerprint !== asked.fingerprint
}

export function inProgress(): AppError {
  return new AppError('conflict', 'The first request with this Idempotency-Key is still being worked on. Ask again.', {
    reason: 'idempotency_in_progress',
    retryAfterMs: 1_000,
  })
}

const lasting: readonly ErrorCode[] = [
  'invalid',
  'not_found',
  'conflict',
  'gone',
  'too_large',
  'unsupported_type',
  'unprocessable',
]

/** Not a refusal: something may have been done before it went wrong. */
export function mayHaveActed(error: unknown): boolean {
  return ['internal', 'unavailable', 'timeout'].includes(toAppError(error).code)
}

/** A refusal that would be the same the next time; undefined for what may go better then: that leaves the key free. */
export function refusalOf(error: unknown): StoredAnswer | undefined {
  if (!(error instanceof AppError) || !lasting.includes(error.code)) return undefined
  const { code, reason, message } = error
  // It is about the key, not about what was asked.
  if (reason.startsWith('idempotency_')) return undefined
  return { refusal: { code, reason, message } }
}

function digest(...parts: string[]): string {
  return createHash('sha256').update(parts.join('\n')).digest('hex')
}

/** The same text for the same content, in whatever order the fields were written. */
function canonical(value: unknown): string {
  return (
    JSON.stringify(value, (_, inner: unknown) => {
      if (typeof inner !== 'object' || inner === null || Array.isArray(inner)) return inner
      return Object.fromEntries(Object.entries(inner).toSorted(([a], [b]) => (a < b ? -1 : 1)))
    }) ?? ''
  )
}
