import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { z } from 'zod'
import type { Service } from './lifecycle.js'
import type { Logger } from './log.js'
import type { Metrics } from './metrics.js'
import { port, SettingsError } from './settings.js'

export interface MetricsTarget {
  host: string
  port: number
  /** Somebody chose the port: when it cannot be had, the process does not start. */
  chosen: boolean
}

export const metricsPort = z.union([z.literal('off'), port], { error: 'must be a port, or off' }).optional()

/** Undefined: no metrics are served. */
export function metricsTarget(
  given: { METRICS_HOST: string; METRICS_PORT?: number | 'off' | undefined },
  usual: number,
): MetricsTarget | undefined {
  if (given.METRICS_PORT === 'off') return undefined
  return { host: given.METRICS_HOST, port: given.METRICS_PORT ?? usual, chosen: given.METRICS_PORT !== undefined }
}

export interface MetricsServer extends Service {
  /** Where the numbers are, once started: `http://127.0.0.1:9464/metrics`. Undefined while nothing is served. */
  url(): string | undefined
}

/** `GET /metrics`, on a port of its own: it asks for no key, so it stays where only the operator's own machines reach it. */
export function createMetricsServer(target: MetricsTarget | undefined, metrics: Metrics, log: Logger): MetricsServer {
  let server: Server | undefined
  let url: string | undefined

  async function start() {
    if (!target) return
    const { host, port, chosen } = target
    const opening = createServer({ maxHeaderSize: 8 * 1024 }, (request, response) => {
      answer(metrics, request, response).catch((err: unknown) => {
        log.warn({ err }, 'metrics.not_told')
        if (!response.headersSent) response.writeHead(500)
        response.end()
      })
    })
    opening.requestTimeout = opening.headersTimeout = 10_000
    opening.maxConnections = 50
    try {
      opening.listen(port, host)
      await once(opening, 'listening')
    } catch (err) {
      const problem = err instanceof Error ? err.message : String(err)
      if (chosen) throw new SettingsError(`These settings cannot be used:\n  METRICS_PORT: ${problem}`)
      // A second process on this machine is no reason for either not to run.
      log.warn({ problem, hint: 'set METRICS_PORT, or METRICS_PORT=off' }, 'metrics.not_served')
      return
    }
    server = opening
    const bound = (opening.address() as AddressInfo).port
    url = `http://${host.includes(':') ? `[${host}]` : host}:${bound}/metrics`
    log.info({ url }, 'metrics.listening')
  }

  async function stop() {
    const running = server
    server = url = undefined
    if (!running) return
    const closed = once(running, 'close')
    running.close()
    running.closeAllConnections()
    await closed
  }

  return { start, stop, url: () => url }
}

async function answer(metrics: Metrics, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const [path] = (request.url ?? '').split('?')
  if (path !== '/metrics') return void response.writeHead(404).end()
  if (request.method !== 'GET' && request.method !== 'HEAD') {
    return void response.writeHead(405, { Allow: 'GET, HEAD' }).end()
  }
  const text = await metrics.text()
  response.writeHead(200, { 'Content-Type': metrics.contentType, 'Content-Length': Buffer.byteLength(text) })
  response.end(request.method === 'HEAD' ? undefined : text)
}
