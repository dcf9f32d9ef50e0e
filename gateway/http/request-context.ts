import { IncomingMessage, ServerResponse } from 'node:http'
import { Socket } from 'node:net'
import helmet from 'helmet'
import type { DefaultContext, Middleware } from 'koa'
import { newId } from '../../runtime/ids.js'
import type { Logger } from '../../runtime/log.js'
import { newTrace, traceOf } from '../../runtime/trace.js'
import type { OpenState } from './context.js'
import type { EndedRequest } from './http-metrics.js'

/** Gives each request its id and its log, and writes one line about it once it has ended. */
export function requestContext(
  log: Logger,
  stopping: () => AbortSignal,
  onEnded: (request: EndedRequest) => void = () => undefined,
): Middleware<OpenState, DefaultContext> {
  return async (ctx, next) => {
    const given = ctx.get('X-Request-Id')
    const requestId = /^[\w.:-]{1,64}$/.test(given) ? given : newId('req')
    ctx.state.requestId = requestId
    const trace = { ...(traceOf(ctx.get('traceparent')) ?? newTrace()), requestId }
    ctx.state.trace = trace
    ctx.state.log = log.child({ requestId, trace: trace.id }, true)
    ctx.state.stopping = stopping()
    ctx.set('X-Request-Id', requestId)
    const begun = performance.now()
    ctx.res.once('close', () => {
      // The pattern, not the path: a path may hold a phone number.
      const route = typeof ctx['_matchedRoute'] === 'string' ? ctx['_matchedRoute'] : undefined
      const { method } = ctx
      const status = ctx.res.statusCode
      const tookMs = performance.now() - begun
      const aborted = !ctx.res.writableFinished
      const streamed = ctx.response.type === 'text/event-stream'
      onEnded({ method, route, status, seconds: tookMs / 1_000, aborted, streamed })
      const line = { method, route, status, durationMs: Math.round(tookMs), ...(aborted ? { aborted } : {}) }
      const quiet = route === '/livez' || route === '/readyz'
      if (quiet) ctx.state.log.debug(line, 'http.request')
      else ctx.state.log.info(line, 'http.request')
    })
    await next()
    if (ctx.state.stopping.aborted && !ctx.headerSent) ctx.set('Connection', 'close')
  }
}

/** The API serves no page, so nothing may be loaded from it or frame it; a page says what it needs by itself. */
export function securityHeaders({ https }: { https: boolean }): Middleware<OpenState> {
  const headers = helmet({
    contentSecurityPolicy: {
      useDefaults: false,
      directives: { defaultSrc: ["'none'"], frameAncestors: ["'none'"], baseUri: ["'none'"], formAction: ["'none'"] },
    },
    strictTransportSecurity: https ? { maxAge: 31_536_000 } : false,
    // These two mean something on a secure origin only, and browsers complain about them elsewhere.
    crossOriginOpenerPolicy: https,
    originAgentCluster: https,
  })
  const always = Object.entries({ ...headersOf(headers), 'Cache-Control': 'no-store' })
  return (ctx, next) => {
    for (const [name, value] of always) ctx.res.setHeader(name, value)
    return next()
  }
}

/** What it sets is the same for each request, and asking it each time costs more than looking up the key. */
function headersOf(set: ReturnType<typeof helmet>): Record<string, string> {
  const request = new IncomingMessage(new Socket())
  const response = new ServerResponse(request)
  set(request, response, (error) => {
    if (error) throw error
  })
  return Object.fromEntries(Object.entries(response.getHeaders()).map(([name, value]) => [name, String(value)]))
}
