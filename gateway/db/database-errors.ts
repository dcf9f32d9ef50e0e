import { QueryFailedError } from 'typeorm'
import { AppError } from '../../runtime/app-error.js'

/** What the driver said, below TypeORM's wrapping. */
function driverError(error: unknown): { code?: unknown; errno?: unknown; fatal?: unknown } {
  const inner: unknown = error instanceof QueryFailedError ? error.driverError : error
  return inner instanceof Error ? (inner as Error & { code?: unknown }) : {}
}

/** True when a unique key or primary key refused the row. */
export function isDuplicate(error: unknown): boolean {
  const { code } = driverError(error)
  return code === 'ER_DUP_ENTRY' || code === 'SQLITE_CONSTRAINT_UNIQUE' || code === 'SQLITE_CONSTRAINT_PRIMARYKEY'
}

/** True when the database undid a transaction only because of another one: the same may succeed the next time. */
export function isTransient(error: unknown): boolean {
  const { errno } = driverError(error)
  return errno === 1213 || errno === 1205
}

/** True when a row stayed locked by somebody else for as long as we wait. */
export function isLockWait(error: unknown): boolean {
  return driverError(error).errno === 1205
}

const lost = new Set<unknown>([
  'PROTOCOL_CONNECTION_LOST',
  'PROTOCOL_ENQUEUE_AFTER_FATAL_ERROR',
  'PROTOCOL_ENQUEUE_AFTER_QUIT',
  'PROTOCOL_SEQUENCE_TIMEOUT',
  'ECONNREFUSED',
  'ECONNRESET',
  'ECONNABORTED',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EPIPE',
  'ETIMEDOUT',
  'ER_CON_COUNT_ERROR',
  'ER_TOO_MANY_USER_CONNECTIONS',
  'ER_SERVER_SHUTDOWN',
  'ER_NORMAL_SHUTDOWN',
  'ER_CONNECTION_KILLED',
  'ER_QUERY_INTERRUPTED',
  'SQLITE_BUSY',
  'SQLITE_LOCKED',
])
/** An id, a status or the like is compared with text that none of them can be: MySQL refuses instead of finding nothing. */
const incomparable = new Set<unknown>([
  'ER_CANT_AGGREGATE_2COLLATIONS',
  'ER_CANT_AGGREGATE_3COLLATIONS',
  'ER_CANT_AGGREGATE_NCOLLATIONS',
])
const full = new Set<unknown>(['SQLITE_FULL', 'ENOSPC', 'ER_DISK_FULL', 'ER_RECORD_FILE_FULL'])

/** True when the database cannot be reached, so that nothing is known of what was asked. */
export function isConnectionLost(error: unknown): boolean {
  const { code, fatal } = driverError(error)
  return lost.has(code) || fatal === true || (error instanceof Error && error.message === 'Pool is closed.')
}

/** Foreign errors become ours here, once; a duplicate stays as it is, because only the repository knows what it means. */
export function translateDatabaseError(error: unknown): unknown {
  if (error instanceof AppError) return error
  if (full.has(driverError(error).code)) {
    return new AppError('storage_full', 'The disk of the database is full.', { cause: error, retryAfterMs: 30_000 })
  }
  if (isConnectionLost(error)) return unavailable(error)
  if (isTransient(error)) {
    return new AppError('unavailable', 'The database is busy with the same rows. Ask again.', {
      cause: error,
      reason: 'database_busy',
      retryAfterMs: 1_000,
    })
  }
  if (incomparable.has(driverError(error).code)) {
    return new AppError('invalid', 'A name or an id in the request has characters that none has.', {
      cause: error,
      reason: 'invalid_request',
    })
  }
  return error
}

export function unavailable(cause: unknown): AppError {
  return new AppError('unavailable', 'The database does not answer.', {
    cause,
    reason: 'database_unavailable',
    retryAfterMs: 2_000,
  })
}
