import { status as GrpcStatus, Metadata, type ServiceError, type StatusObject } from '@grpc/grpc-js'
import { AppError, type ErrorCode, errorCodes, toAppError } from '../runtime/app-error.js'

const toGrpc: Record<ErrorCode, GrpcStatus> = {
  invalid: GrpcStatus.INVALID_ARGUMENT,
  unprocessable: GrpcStatus.INVALID_ARGUMENT,
  unsupported_type: GrpcStatus.INVALID_ARGUMENT,
  unauthenticated: GrpcStatus.UNAUTHENTICATED,
  forbidden: GrpcStatus.PERMISSION_DENIED,
  not_found: GrpcStatus.NOT_FOUND,
  conflict: GrpcStatus.ALREADY_EXISTS,
  not_ready: GrpcStatus.FAILED_PRECONDITION,
  rate_limited: GrpcStatus.RESOURCE_EXHAUSTED,
  too_large: GrpcStatus.RESOURCE_EXHAUSTED,
  storage_full: GrpcStatus.RESOURCE_EXHAUSTED,
  gone: GrpcStatus.OUT_OF_RANGE,
  not_satisfiable: GrpcStatus.OUT_OF_RANGE,
  not_supported: GrpcStatus.UNIMPLEMENTED,
  internal: GrpcStatus.INTERNAL,
  unavailable: GrpcStatus.UNAVAILABLE,
  timeout: GrpcStatus.DEADLINE_EXCEEDED,
  too_slow: GrpcStatus.DEADLINE_EXCEEDED,
}

/** Reasons for which gRPC has a word of its own. */
const toGrpcByReason: Readonly<Record<string, GrpcStatus>> = { media_hash_mismatch: GrpcStatus.DATA_LOSS }

/** For statuses that come without our code: from gRPC itself, or from something between. */
const fromGrpc: Partial<Record<GrpcStatus, ErrorCode>> = {
  [GrpcStatus.INVALID_ARGUMENT]: 'invalid',
  [GrpcStatus.NOT_FOUND]: 'not_found',
  [GrpcStatus.ALREADY_EXISTS]: 'conflict',
  [GrpcStatus.FAILED_PRECONDITION]: 'not_ready',
  [GrpcStatus.RESOURCE_EXHAUSTED]: 'too_large',
  [GrpcStatus.UNIMPLEMENTED]: 'not_supported',
  [GrpcStatus.UNAVAILABLE]: 'unavailable',
  [GrpcStatus.CANCELLED]: 'unavailable',
  [GrpcStatus.DEADLINE_EXCEEDED]: 'timeout',
  [GrpcStatus.OUT_OF_RANGE]: 'gone',
  [GrpcStatus.DATA_LOSS]: 'invalid',
}

const CODE_KEY = 'switchboard-code'
const REASON_KEY = 'switchboard-reason'

/** What a handler threw, as the status that the caller gets. The exact code and reason travel as metadata. */
export function toStatus(thrown: unknown): Partial<StatusObject> {
  const error = toAppError(thrown)
  const metadata = new Metadata()
  metadata.set(CODE_KEY, error.code)
  metadata.set(REASON_KEY, error.reason)
  return { code: toGrpcByReason[error.reason] ?? toGrpc[error.code], details: error.message, metadata }
}

/** What a call failed with, as the error that the node threw. */
export function fromStatus(error: unknown): AppError {
  if (error instanceof AppError) return error
  if (!isServiceError(error)) return toAppError(error)
  const sent = String(error.metadata?.get(CODE_KEY)[0] ?? '')
  const reason = error.metadata?.get(REASON_KEY)[0]
  const code = errorCodes.find((known) => known === sent)
  if (code) return new AppError(code, error.details, { cause: error, ...(reason ? { reason: String(reason) } : {}) })
  if (error.code === GrpcStatus.UNAUTHENTICATED || error.code === GrpcStatus.PERMISSION_DENIED) {
    // Ours, not the caller's: whoever asked us has shown a good key, and can do nothing about it.
    const message = 'The session node refuses our token: CLUSTER_TOKEN differs.'
    return new AppError('unavailable', message, { cause: error, reason: 'node_token_refused' })
  }
  const guessed = fromGrpc[error.code] ?? 'internal'
  return new AppError(guessed, sentences[guessed] ?? 'The session node failed.', {
    cause: error,
    reason: `node_${guessed}`,
  })
}

const sentences: Partial<Record<ErrorCode, string>> = {
  unavailable: 'The session node does not answer.',
  timeout: 'The session node took too long to answer.',
  not_supported: 'The session node does not know this call. Is it an older version?',
}

function isServiceError(error: unknown): error is ServiceError {
  return error instanceof Error && 'code' in error && typeof error.code === 'number' && 'details' in error
}
