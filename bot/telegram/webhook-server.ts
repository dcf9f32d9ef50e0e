import { createHash, timingSafeEqual } from 'node:crypto'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Update } from 'telegraf/types'
import type { Service } from '../../runtime/lifecycle.js'
import type { Logger } from '../../runtime/log.js'
import type { WebhookConfig } from '../config.js'

/** Updates are a few KiB; files are fetched, not posted. */
const BODY_LIMIT = 2 ** 20

/** Where Telegram posts updates to, in webhook mode. Says as little as it can to everyone else. */
export class WebhookServer implements Service {
  private server: Server | undefined

  constructor(
    private readonly config: WebhookConfig,
    private readonly take: (update: Update) => void,
    private readonly log: Logger,
  ) {}

  /** The port it listens on, once started. */
  get port(): number {
    return (this.server?.address() as AddressInfo | undefined)?.port ?? this.config.port
  }

  async start(): Promise<void> {
    const server = createServer({ requestTimeout: 15_000, headersTimeout: 10_000 }, (request, response) => {
      this.answer(request).then(
        (status) => end(request, response, status),
        (err: unknown) => {
          // Telegram delivers it again when it was not taken.
          this.log.error({ err }, 'webhook.failed')
          end(request, response, 500)
        },
      )
    })
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject)
      server.listen(this.config.port, this.config.host, resolve)
    })
    this.server = server
    this.log.info({ host: this.config.host, port: this.port }, 'webhook.listening')
  }

  async stop(): Promise<void> {
    const { server } = this
    if (!server) return
    this.server = undefined
    await new Promise<void>((resolve) => {
      server.close(() => resolve())
      server.closeIdleConnections()
      setTimeout(() => server.closeAllConnections(), 1_000).unref()
    })
  }

  private async answer(request: IncomingMessage): Promise<number> {
    const { pathname } = new URL(request.url ?? '/', 'http://localhost')
    if (pathname !== new URL(this.config.url).pathname) return 404
    if (request.method !== 'POST') return 405
    // Before the body is read: a stranger's body is none of our business.
    if (!this.isTelegram(request)) {
      this.log.warn('webhook.wrong_secret')
      return 401
    }
    const body = await readBody(request)
    if (body === null) return 413
    const update = parseUpdate(body)
    if (!update) return 400
    this.take(update)
    return 200
  }

  private isTelegram(request: IncomingMessage): boolean {
    const digest = (text: string) => createHash('sha256').update(text).digest()
    const given = request.headers['x-telegram-bot-api-secret-token']
    return timingSafeEqual(digest(typeof given === 'string' ? given : ''), digest(this.config.secret))
  }
}

/** Null when it is longer than it may be. */
async function readBody(request: IncomingMessage): Promise<string | null> {
  if (Number(request.headers['content-length'] ?? 0) > BODY_LIMIT) return null
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of request.iterator({ destroyOnReturn: false })) {
    size += (chunk as Buffer).length
    if (size > BODY_LIMIT) return null
    chunks.push(chunk as Buffer)
  }
  return Buffer.concat(chunks).toString('utf8')
}

function parseUpdate(body: string): Update | null {
  try {
    const update = JSON.parse(body) as Update | null
    return typeof update === 'object' && Number.isSafeInteger(update?.update_id) ? update : null
  } catch {
    return null
  }
}

function end(request: IncomingMessage, response: ServerResponse, status: number): void {
  if (!request.complete) {
    // A body that was not read to its end would be taken for the next request. It is let run out for a moment, so that
    // the answer is read before the line is cut.
    response.setHeader('connection', 'close')
    request.resume()
    setTimeout(() => request.destroy(), 2_000).unref()
  }
  response.writeHead(status)
  response.end()
}
