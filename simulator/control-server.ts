import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { connect, type AddressInfo, type Socket } from 'node:net'
import type { Duplex } from 'node:stream'

type Operations = Record<string, (args: never) => unknown>

/**
 * Where tests and people drive the simulator: `POST /<operation>` with a JSON object, on loopback. A browser may also
 * use this port as its proxy; it leads to the simulated WhatsApp and nowhere else.
 */
export class ControlServer {
  #server: Server | undefined
  #tunnels = new Set<Duplex>()

  constructor(
    private readonly operations: Operations,
    private readonly whatsappPort: () => number,
    private readonly serveOther: (request: IncomingMessage, response: ServerResponse) => void = notFound,
  ) {}

  get port(): number {
    return (this.#server?.address() as AddressInfo).port
  }

  async start(port: number): Promise<void> {
    const server = createServer((request, response) => void this.#serve(request, response))
    server.on('connect', (request: IncomingMessage, socket: Socket) => this.#tunnel(request, socket))
    this.#server = server
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject)
      server.listen(port, '127.0.0.1', resolve)
    })
  }

  async stop(): Promise<void> {
    const server = this.#server
    for (const socket of this.#tunnels) socket.destroy()
    server?.closeAllConnections()
    await new Promise<void>((resolve) => (server ? server.close(() => resolve()) : resolve()))
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (!isLoopback(request.headers.host)) return answer(response, 403, { error: 'Only by its address on loopback' })
    const operation = this.operations[request.url?.slice(1) ?? '']
    // JSON only, because a page of another origin cannot send that without asking first, and is refused when it asks.
    const isCall = request.method === 'POST' && request.headers['content-type'] === 'application/json'
    if (!isCall || !operation) return this.serveOther(request, response)
    try {
      const chunks: Buffer[] = []
      for await (const chunk of request) chunks.push(chunk as Buffer)
      const args: unknown = JSON.parse(Buffer.concat(chunks).toString() || '{}')
      answer(response, 200, { ok: (await operation(args as never)) ?? null })
    } catch (thrown) {
      answer(response, 422, { error: thrown instanceof Error ? thrown.message : String(thrown) })
    }
  }

  #tunnel(request: IncomingMessage, socket: Socket): void {
    if (request.url !== 'web.whatsapp.com:443') return void socket.end('HTTP/1.1 403 Forbidden\r\n\r\n')
    const whatsapp = connect(this.whatsappPort(), '127.0.0.1', () => {
      socket.write('HTTP/1.1 200 Connection established\r\n\r\n')
      socket.pipe(whatsapp).pipe(socket)
    })
    for (const end of [socket, whatsapp]) {
      this.#tunnels.add(end)
      end.on('error', () => end.destroy())
      end.on('close', () => {
        this.#tunnels.delete(end)
        socket.destroy()
        whatsapp.destroy()
      })
    }
  }
}

/** A page of another origin may have a name that leads to this machine; it is not served under that name. */
function isLoopback(host: string | undefined): boolean {
  return /^(127\.0\.0\.1|localhost)(:\d+)?$/.test(host ?? '')
}

function answer(response: ServerResponse, status: number, value: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(value))
}

function notFound(request: IncomingMessage, response: ServerResponse): void {
  answer(response, 404, { error: `The simulator has no ${request.method} ${request.url}` })
}
