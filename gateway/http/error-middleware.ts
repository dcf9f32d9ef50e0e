import type { Middleware, ParameterizedContext } from 'koa'
import { AppError, toAppError } from '../../runtime/app-error.js'
import type { OpenState } from './context.js'
import { closeLingering } from './lingering-close.js'
import type { Kind } from './problem-codes.js'

const problems: Record<Kind, [status: number, title: string]> = {
  invalid: [400, 'The request is not valid'],
  unauthenticated: [401, 'No valid API key'],
  forbidden: [403, 'Not allowed'],
  not_found: [404, 'Not found'],
  method_not_allowed: [405, 'Method not allowed'],
  too_slow: [408, 'Too slow'],
  conflict: [409, 'Conflict'],
  not_ready: [409, 'Not ready'],
  gone: [410, 'Gone'],
  too_large: [413, 'Too large'],
  unsupported_type: [415, 'Unsupported type'],
  not_satisfiable: [416, 'No such part'],
  unprocessable: [422, 'Cannot be processed'],
  rate_limited: [429, 'Too many requests'],
  internal: [500, 'Internal error'],
  not_supported: [501, 'Not supported'],
  unavailable: [503, 'Temporarily unavailable'],
  timeout: [504, 'No answer in time'],
  storage_full: [507, 'Storage is full'],
}

/** The only place that names HTTP statuses of errors. Answers are problem+json (RFC 9457). */
export function errorMiddleware(): Middleware<OpenState> {
  return async (ctx, next) => {
    try {
      await next()
    } catch (thrown) {
      // The answer has begun (a stream, a download): nothing can be said any more, so the connection says it by ending.
      if (ctx.headerSent) throw thrown
      return answer(ctx, thrown)
    }
    if (ctx.body !== undefined && ctx.body !== null) return
    if (ctx.status === 404)
      return problem(ctx, 404, 'Not found', 'not_found', `There is nothing at ${ctx.method} here.`)
    if (ctx.status === 405) {
      problem(ctx, 405, 'Method not allowed', 'method_not_allowed', `Allowed here: ${ctx.response.get('Allow')}.`)
    }
    if (ctx.status === 501) problem(ctx, 501, 'Not supported', 'not_supported', 'This method is not known here.')
  }
}

function answer(ctx: ParameterizedContext<OpenState>, thrown: unknown): void {
  const error = toAppError(thrown)
  const [status, title] = problems[error.code]
  if (error.code === 'internal') ctx.state.log.error({ err: thrown }, 'http.failed')
  else if (error.cause !== undefined) ctx.state.log.info({ err: error, reason: error.reason }, 'http.refused')
  const retryAfterMs = error.retryAfterMs ?? (error.code === 'unavailable' ? 5_000 : undefined)
  if (retryAfterMs !== undefined) ctx.set('Retry-After', String(Math.max(1, Math.ceil(retryAfterMs / 1_000))))
  if (error.code === 'unauthenticated') ctx.set('WWW-Authenticate', 'Bearer realm="switchboard"')
  // What is left of its body may be without end.
  if (!ctx.req.complete) closeLingering(ctx)
  problem(ctx, status, title, error.reason, error.message, error.more)
}

function problem(
  ctx: ParameterizedContext<OpenState>,
  status: number,
  title: string,
  code: string,
  detail: string,
  more: Readonly<Record<string, unknown>> = {},
) {
  ctx.status = status
  ctx.set('Cache-Control', 'no-store')
  ctx.body = JSON.stringify({
    type: `urn:switchboard:problem:${code}`,
    title,
    status,
    detail,
    code,
    requestId: ctx.state.requestId,
    ...more,
  })
  ctx.type = 'application/problem+json'
}

/** For answers that carry a problem in their own form, such as a page. */
export function statusOf(error: AppError): number {
  return problems[error.code][0]
}

/** For the document. */
export function kindStatus(kind: Kind): readonly [status: number, title: string] {
  return problems[kind]
}
