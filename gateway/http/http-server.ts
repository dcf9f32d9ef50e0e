import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import Router from '@koa/router'
import Koa from 'koa'
import type { Service } from '../../runtime/lifecycle.js'
import type { Logger } from '../../runtime/log.js'
import { authenticate, type KeyCheck, type Keyless } from './authenticate.js'
import type { ApiRouter, ApiState, Audit, OpenRouter, OpenState } from './context.js'
import { errorMiddleware } from './error-middleware.js'
import type { EndedRequest } from './http-metrics.js'
import { requestContext, securityHeaders } from './request-context.js'
import { handleUpgrades } from './upgrades.js'

export interface HttpServerOptions {
  host: string
  port: number
  /** How many proxies stand in front, whose X-Forwarded-For and -Proto are believed. */
  trustProxy: number
  /** Reached over TLS, by a proxy in front. */
  https: boolean
  log: Logger
  /** For the metrics. */
  onEnded?: (request: EndedRequest) => void
  keys: KeyCheck
  /** Keeps on record what is changed; nothing does unless given. */
  audit?: Audit
  /** Requests below `/api/v1` that may come without one: their routes see to it. */
  keyless?: Keyless
  /** Without a key: health, link pages. */
  open: OpenRouter[]
  /** Below `/api/v1`. */
  api: ApiRouter[]
  /** How long requests in hand may take once stopping. */
  stopWithinMs?: number
}

export interface HttpServer extends Service {
  /** Where it listens, once started: `http://127.0.0.1:3000`. */
  url(): string
  routes(): readonly RegisteredRoute[]
}

export interface RegisteredRoute {
  /** `GET` */
  method: string
  /** `/api/v1/sessions/:session` */
  path: string
}

const HEADERS_MS = 10_000
const REQUEST_MS = 300_000
const KEEP_ALIVE_MS = 65_000
/** Longer than any answer takes to begin; streams say something every 15 s. Who takes nothing for so long is gone. */
const STUCK_MS = 300_000
/** Once stopping, a request that is just arriving has so long to begin. */
const SILENT_MS = 1_000

export function createHttpServer(options: HttpServerOptions): HttpServer {
  const { host, log } = options
  let stopping = new AbortController()
  let server: Server | undefined
  let url = `http://${host}:${options.port}`

  // Each proxy adds the address that it sees: what stands before those of ours is whatever the client wrote.
  const app = new Koa<OpenState>({ proxy: options.trustProxy > 0, maxIpsCount: options.trustProxy })
  app.on('error', (err: Error & { code?: string }) => {
    // A client that hangs up in the middle of an answer is no failure of ours.
    if (err.code === 'ECONNRESET' || err.code === 'EPIPE' || err.code === 'ERR_STREAM_PREMATURE_CLOSE') return
    log.error({ err }, 'http.answer_failed')
  })
  const all = new Router<ApiState>()
  for (const router of options.open) all.use((router as unknown as ApiRouter).routes())
  for (const router of options.api) all.use(router.routes())
  app.use(requestContext(log, () => stopping.signal, options.onEnded))
  app.use(securityHeaders(options))
  app.use(errorMiddleware())
  app.use(authenticate(options.keys, options.keyless) as unknown as Koa.Middleware<OpenState>)
  const { audit = (_ctx, _action, work) => work() } = options
  app.use((ctx, next) => {
    ;(ctx.state as ApiState).audit = audit
    return next()
  })
  app.use(all.routes() as unknown as Koa.Middleware<OpenState>)
  app.use(all.allowedMethods() as unknown as Koa.Middleware<OpenState>)

  const handle = app.callback()
  /** Connections without a request so far, such as browsers and pools open ahead: to Node they are busy. */
  const silent = new Set<Socket>()

  async function start() {
    stopping = new AbortController()
    server = createServer({ connectionsCheckingInterval: 2_000, maxHeaderSize: 16 * 1024 }, (request, response) => {
      silent.delete(request.socket)
      void handle(request, response)
    })
    // Again for one whose offer of another protocol was passed over.
    const known = new WeakSet<Socket>()
    server.on('connection', (socket: Socket) => {
      if (known.has(socket)) return
      known.add(socket)
      silent.add(socket)
      socket.once('close', () => silent.delete(socket))
    })
    handleUpgrades(server, (request, response) => {
      silent.delete(request.socket)
      void handle(request, response)
    })
    server.headersTimeout = HEADERS_MS
    server.requestTimeout = REQUEST_MS
    server.keepAliveTimeout = KEEP_ALIVE_MS
    server.timeout = STUCK_MS
    server.maxConnections = 10_000
    server.listen(options.port, host)
    await once(server, 'listening')
    const { port } = server.address() as AddressInfo
    url = `http://${host.includes(':') ? `[${host}]` : host}:${port}`
    log.info({ url }, 'http.listening')
  }

  async function stop() {
    const running = server
    if (!running) return
    server = undefined
    const closed = new Promise<void>((resolve) => running.close(() => resolve()))
    stopping.abort()
    running.closeIdleConnections()
    const cut = setTimeout(() => {
      log.warn('http.stop_overdue')
      running.closeAllConnections()
    }, options.stopWithinMs ?? 10_000)
    // A connection whose last answer has just gone out is idle from then on.
    const sweep = setInterval(() => running.closeIdleConnections(), 100)
    const hush = setTimeout(() => silent.forEach((socket) => socket.destroy()), SILENT_MS)
    await closed
    clearTimeout(cut)
    clearInterval(sweep)
    clearTimeout(hush)
  }

  const routes = () =>
    all.stack.flatMap(({ methods, path }) => methods.map((method) => ({ method, path: String(path) })))

  return { start, stop, url: () => url, routes }
}
