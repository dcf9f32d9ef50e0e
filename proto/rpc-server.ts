import * as grpc from '@grpc/grpc-js'
import { HealthImplementation } from 'grpc-health-check'
import type { Service } from '../runtime/lifecycle.js'
import type { Logger } from '../runtime/log.js'
import type { SessionNodeHandlers } from './generated/switchboard/v1/SessionNode.js'
import { servingUntil, serviceName, SessionNode } from './rpc.js'
import { callLog } from './tracing.js'
import { checkListenAddress, type ClusterSecurity, serverCredentials, tokenCheck } from './security.js'

export interface RpcServerOptions {
  /** `host:port`, port 0 for any free one, or `unix:/path`. */
  listen: string
  security: ClusterSecurity
  /** Builds the handlers with the wrappers that end when the server stops. */
  handlers: (serving: ReturnType<typeof servingUntil>) => SessionNodeHandlers
  log: Logger
}

export interface RpcServer extends Service {
  /** Where to call it, once started. */
  address(): string
  /** Health `NOT_SERVING`: callers look elsewhere for new work. */
  drain(): void
}

export function createRpcServer({ listen, security, handlers, log }: RpcServerOptions): RpcServer {
  let server: grpc.Server | undefined
  let stopping = new AbortController()
  let health = new HealthImplementation()
  let address = listen

  async function start() {
    checkListenAddress(listen, security)
    stopping = new AbortController()
    server = new grpc.Server({
      interceptors: [callLog(log), tokenCheck(security)],
      'grpc.keepalive_time_ms': 20_000,
      'grpc.keepalive_timeout_ms': 10_000,
    })
    server.addService(SessionNode.service, handlers(servingUntil(stopping.signal)))
    health = new HealthImplementation({ '': 'SERVING', [serviceName]: 'SERVING' })
    health.addToServer(server)
    const bound = server
    const port = await new Promise<number>((resolve, reject) =>
      bound.bindAsync(listen, serverCredentials(security), (error, got) => (error ? reject(error) : resolve(got))),
    )
    address = listen.startsWith('unix:') ? listen : `${listen.slice(0, listen.lastIndexOf(':'))}:${port}`
    log.info({ address }, 'rpc.listening')
  }

  function drain() {
    health.setStatus('', 'NOT_SERVING')
    health.setStatus(serviceName, 'NOT_SERVING')
  }

  async function stop() {
    const running = server
    if (!running) return
    server = undefined
    drain()
    stopping.abort()
    // Calls in hand may finish; what still hangs after that is cut.
    const cut = setTimeout(() => running.forceShutdown(), 5_000)
    await new Promise<void>((resolve) =>
      running.tryShutdown((err) => {
        if (err) log.warn({ err }, 'rpc.shutdown_failed')
        resolve()
      }),
    )
    clearTimeout(cut)
  }

  return { start, stop, drain, address: () => address }
}
