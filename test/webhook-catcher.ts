/** The sink: a receiver of webhooks that keeps every request, and answers as well or as badly as a test wants. */
import { once } from 'node:events'
import { createServer, type IncomingHttpHeaders, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { Webhook } from 'standardwebhooks'
import { sleep } from '../runtime/clock.js'
import { until } from './until.js'

export interface Caught {
  /** ms since the epoch, when its body had arrived. */
  at: number
  path: string
  headers: IncomingHttpHeaders
  /** `webhook-id`. */
  id: string
  body: Buffer
  /** What it was answered; undefined while it hangs, or when it broke. */
  status: number | undefined
}

/** What a webhook carries; what `data` holds is for the test to say. */
export interface CaughtEvent {
  id: string
  type: string
  timestamp: string
  session?: { id: string; name?: string; phone?: string }
  sequence: number
  // eslint-disable-next-line @typescript-eslint/no-explicit-any
  data: any
  apiVersion: string
}

export type Reply =
  | number
  | { status: number; headers?: Record<string, string>; body?: string; afterMs?: number }
  | ((response: ServerResponse, socket: Socket) => void | Promise<void>)

const GIVEN_UP_MS = 300

export class WebhookCatcher {
  readonly caught: Caught[] = []
  /** Decides about each request; may be replaced at any time. */
  reply: (request: Caught) => Reply = () => 204
  /** Looks at each request as it comes, such as at its signature; what it throws becomes a problem. */
  check: ((request: Caught) => unknown) | undefined
  readonly problems: string[] = []
  /** TCP connections that were ever accepted. */
  connections = 0
  /** By path: requests without an answer, now and at most. */
  private readonly inFlight = new Map<string, { now: number; most: number }>()
  private readonly sockets = new Set<Socket>()
  private server: Server | undefined
  private port = 0

  async start(): Promise<void> {
    // Each start after the first is where it was before: a receiver that comes back.
    this.server = createServer((request, response) => {
      const chunks: Buffer[] = []
      const path = request.url ?? '/'
      const counts = this.inFlight.get(path) ?? { now: 0, most: 0 }
      this.inFlight.set(path, counts)
      counts.now += 1
      // Not at once: that the sender has given up others is seen a little later than what it sends instead of them.
      setTimeout(() => (counts.most = Math.max(counts.most, counts.now)), GIVEN_UP_MS).unref()
      response.once('close', () => (counts.now -= 1))
      request.on('data', (chunk: Buffer) => chunks.push(chunk))
      request.on('end', () => {
        const { headers } = request
        const id = String(headers['webhook-id'] ?? '')
        const caught: Caught = { at: Date.now(), path, headers, id, body: Buffer.concat(chunks), status: undefined }
        this.caught.push(caught)
        void this.answer(caught, response)
      })
    })
    this.server.keepAliveTimeout = 30_000
    this.server.on('connection', (socket) => {
      this.connections += 1
      this.sockets.add(socket)
      socket.on('error', () => this.sockets.delete(socket)).once('close', () => this.sockets.delete(socket))
    })
    this.server.listen(this.port, '127.0.0.1')
    await once(this.server, 'listening')
    this.port = (this.server.address() as AddressInfo).port
  }

  private async answer(caught: Caught, response: ServerResponse): Promise<void> {
    const { socket } = response
    try {
      await this.check?.(caught)
    } catch (error) {
      this.problems.push(`${caught.path} ${caught.id}: ${error instanceof Error ? error.message : String(error)}`)
    }
    const reply = this.reply(caught)
    if (typeof reply === 'function') {
      if (socket) await reply(response, socket)
      return
    }
    const { status, headers = {}, body = '', afterMs = 0 } = typeof reply === 'number' ? { status: reply } : reply
    if (afterMs > 0) await sleep(afterMs)
    // Known before the client can act on the answer.
    caught.status = status
    response.writeHead(status, headers).end(body)
  }

  url(path = '/hook'): string {
    return `http://127.0.0.1:${this.port}${path}`
  }

  /** The most requests that waited for their answer at once, of those that waited for longer than a moment. */
  mostInFlight(path = '/hook'): number {
    return this.inFlight.get(path)?.most ?? 0
  }

  at(path = '/hook'): Caught[] {
    return this.caught.filter((caught) => caught.path === path)
  }

  /** Ids that were answered with 2xx, each once, in the order of their first 2xx: what a receiver sees that remembers. */
  accepted(path = '/hook'): string[] {
    return [...new Set(this.at(path).flatMap(({ id, status }) => (status && status < 300 ? [id] : [])))]
  }

  /** The first event of this type, already caught or still to come. */
  async next(type: string, { path = '/hook', timeoutMs = 30_000 } = {}): Promise<CaughtEvent> {
    return until(
      `${path} gets ${type}`,
      () =>
        this.at(path)
          .map(eventOf)
          .find((event) => event.type === type),
      { timeoutMs, everyMs: 10, seen: () => this.at(path).map((caught) => eventOf(caught).type) },
    )
  }

  async stop(): Promise<void> {
    const { server } = this
    if (!server) return
    this.server = undefined
    const closed = once(server, 'close')
    server.close()
    for (const socket of this.sockets) socket.destroy()
    await closed
  }
}

export const eventOf = ({ body }: Caught): CaughtEvent => JSON.parse(body.toString()) as CaughtEvent

/**
 * As a receiver does it that has nothing but the standardwebhooks package, and whose clock is so far ahead; throws when
 * it is not right.
 */
export function verified({ body, headers }: Caught, secret: string, aheadMs = 0): CaughtEvent {
  const now = Date.now
  Date.now = () => now() + aheadMs
  try {
    return new Webhook(secret).verify(body, headers as Record<string, string>) as CaughtEvent
  } finally {
    Date.now = now
  }
}

/** Replies that no receiver should give. */
export const bad = {
  /** Accepts, and never says a word. */
  hangs: () => {},
  /** A header, one byte a second. */
  drips: async (_: ServerResponse, socket: Socket) => {
    for (const byte of `HTTP/1.1 200 OK\r\nx-slow: ${'a'.repeat(1_000)}`) {
      if (socket.destroyed) return
      socket.write(byte)
      await sleep(1_000)
    }
  },
  /** 200, and a body of so many bytes. */
  floods: (bytes: number) => async (response: ServerResponse) => {
    response.writeHead(200, { 'content-type': 'text/plain', 'content-length': String(bytes) })
    const piece = Buffer.alloc(64 * 1_024, 'x')
    const closed = once(response, 'close')
    for (let left = bytes; left > 0 && !response.destroyed; left -= piece.length) {
      if (response.write(left < piece.length ? piece.subarray(0, left) : piece)) continue
      await Promise.race([new Promise((resolve) => response.once('drain', resolve)), closed])
    }
    response.end()
  },
  /** Resets the connection in the middle of the body. */
  resets: (response: ServerResponse, socket: Socket) => {
    response.writeHead(200, { 'content-length': '1000' })
    response.write('the first half', () => socket.resetAndDestroy())
  },
} satisfies Record<string, unknown>
