/** A network that can be broken: a TCP proxy in front of a server on this machine. */
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'

export type Weather =
  | 'fair'
  /** Nobody listens: connections are refused, and those that stood are gone. */
  | 'down'
  /** Connections stand and nothing passes, in either direction. */
  | 'blackHole'
  /** Connections are accepted and reset at once. */
  | 'reset'

interface Pair {
  client: Socket
  server: Socket
}

export class TcpProxy {
  /** Added to each piece on its way, in each direction. */
  latencyMs = 0
  /** How late the end of one side is told to the other. */
  slowCloseMs = 0
  private weather: Weather = 'fair'
  private readonly pairs = new Set<Pair>()
  private listener: Server | undefined
  private ownPort = 0

  constructor(
    private readonly port: number,
    private readonly host = '127.0.0.1',
  ) {}

  get address(): string {
    return `127.0.0.1:${this.ownPort}`
  }

  async start(): Promise<void> {
    this.listener = createServer({ allowHalfOpen: true }, (client) => this.join(client)).listen(
      this.ownPort,
      '127.0.0.1',
    )
    await once(this.listener, 'listening')
    this.ownPort = (this.listener.address() as AddressInfo).port
  }

  async stop(): Promise<void> {
    const { listener } = this
    this.listener = undefined
    for (const { client, server } of this.pairs) {
      client.destroy()
      server.destroy()
    }
    if (!listener) return
    listener.close()
    await once(listener, 'close')
  }

  async set(weather: Weather): Promise<void> {
    this.weather = weather
    if (weather === 'down') return this.stop()
    if (!this.listener) await this.start()
    for (const { client, server } of this.pairs) {
      if (weather === 'reset') {
        client.resetAndDestroy()
        server.resetAndDestroy()
      } else if (weather === 'blackHole') {
        client.pause()
        server.pause()
      } else {
        client.resume()
        server.resume()
      }
    }
  }

  private join(client: Socket): void {
    if (this.weather === 'reset') {
      client.resetAndDestroy()
      return
    }
    const server = connect({ port: this.port, host: this.host, allowHalfOpen: true })
    const pair = { client, server }
    this.pairs.add(pair)
    this.pass(client, server)
    this.pass(server, client)
    const over = () => {
      client.destroy()
      server.destroy()
      this.pairs.delete(pair)
    }
    for (const socket of [client, server]) socket.on('error', over)
    client.on('close', over)
    server.on('close', over)
    if (this.weather === 'blackHole') {
      client.pause()
      server.pause()
    }
  }

  private pass(from: Socket, to: Socket): void {
    const later = (ms: number, work: () => void) => (ms > 0 ? void setTimeout(work, ms) : work())
    from.on('data', (piece) => later(this.latencyMs, () => to.writable && to.write(piece)))
    from.on('end', () => later(this.latencyMs + this.slowCloseMs, () => to.end()))
  }
}
