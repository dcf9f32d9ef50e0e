import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import { connect, type AddressInfo, type Socket } from 'node:net'
import Koa from 'koa'
import { afterEach, describe, expect, it } from 'vitest'
import { type WebSocket, WebSocketServer } from 'ws'
import { silentLog } from '../../runtime/log.js'
import { until } from '../../test/until.js'
import type { OpenState } from '../http/context.js'
import { sendEvents } from '../http/event-stream.js'
import type { ReadItem } from './event-reader.js'
import { sendItems } from './event-socket.js'

const JSON_OF_4_KB = JSON.stringify({ body: 'x'.repeat(4_000) })
const timing = { pingMs: 60_000, stuckMs: 500, keyMs: 1_000 }
/** What the kernel keeps for the two ends of a connection, and then some. */
const MOST_TAKEN = 4_000

describe('a reader that takes nothing', () => {
  let server: Server
  let taken = 0
  let socket: Socket

  afterEach(() => {
    socket.destroy()
    server.closeAllConnections()
    server.close()
  })

  async function* endless(): AsyncGenerator<ReadItem> {
    for (let place = 1; ; place++) {
      taken += 1
      yield { place, event: { id: `evt_${place}`, type: 'message.edited', json: JSON_OF_4_KB } }
      if (place % 100 === 0) await new Promise((resolve) => setImmediate(resolve))
    }
  }
  async function connectTo(request: string): Promise<void> {
    taken = 0
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    socket = connect((server.address() as AddressInfo).port, '127.0.0.1')
    socket.on('error', () => undefined)
    socket.write(request)
    socket.pause()
  }

  it('of server-sent events is read for no further, and let go', async () => {
    const app = new Koa<OpenState>()
    app.use((ctx) => {
      Object.assign(ctx.state, { log: silentLog(), stopping: new AbortController().signal })
      const events = async function* () {
        for await (const { event } of endless()) yield { event: 'x', json: event?.json ?? '' }
      }
      sendEvents(ctx, events, { stuckMs: timing.stuckMs })
    })
    app.on('error', () => undefined)
    const handle = app.callback()
    server = createServer((request, response) => void handle(request, response))
    const gone = once(server, 'connection').then(([accepted]) => once(accepted as Socket, 'close'))
    await connectTo('GET / HTTP/1.1\r\nHost: x\r\n\r\n')
    await gone
    expect(taken).toBeLessThan(MOST_TAKEN)
  })

  it('of a WebSocket is read for no further, and let go', async () => {
    server = createServer()
    const sockets = new WebSocketServer({ server, perMessageDeflate: false })
    const accepted = once(sockets, 'connection') as Promise<[WebSocket]>
    const key = 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13'
    await connectTo(`GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n${key}\r\n\r\n`)
    const [reader] = await accepted
    let most = 0
    const watch = setInterval(() => (most = Math.max(most, reader.bufferedAmount)), 20)
    const sending = sendItems(reader, endless, { cursorOf: String, signal: new AbortController().signal, timing })
    await expect(sending).rejects.toMatchObject({ reason: 'reader_stuck' })
    clearInterval(watch)
    await until('the socket is closed', () => reader.readyState === reader.CLOSED)
    expect(taken).toBeLessThan(MOST_TAKEN)
    expect(most).toBeLessThan(256 * 1024)
    sockets.close()
  })
})
