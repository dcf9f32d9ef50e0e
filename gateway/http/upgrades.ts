/** Requests that ask to become a WebSocket: they pass through the same doors as all others, and are refused the same way. */
import { type IncomingMessage, type Server, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { ParameterizedContext } from 'koa'
import { type WebSocket, WebSocketServer } from 'ws'
import { AppError } from '../../runtime/app-error.js'
import type { OpenState } from './context.js'

interface Upgrade {
  socket: Duplex
  head: Buffer
}

/** What a client may send in one message: it has little to say. */
const MOST_BYTES = 4_096
const asked = new WeakMap<IncomingMessage, Upgrade>()
const sockets = new WebSocketServer({
  noServer: true,
  clientTracking: false,
  maxPayload: MOST_BYTES,
  perMessageDeflate: false,
})

export function handleUpgrades(
  server: Server,
  handle: (request: IncomingMessage, response: ServerResponse) => void,
): void {
  server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    // Node's own handlers are off the socket by now.
    socket.on('error', () => socket.destroy())
    const isSocket = request.method === 'GET' && request.headers.upgrade?.toLowerCase() === 'websocket'
    if (!isSocket) return asUsual(server, request, socket, head)
    const response = new ServerResponse(request)
    response.assignSocket(socket as Socket)
    response.setHeader('Connection', 'close')
    // Also the half that the client may keep open: nothing else ends a connection that was taken from the server.
    response.once('finish', () => (socket as Socket).destroySoon())
    asked.set(request, { socket, head })
    handle(request, response)
  })
}

export function wantsSocket({ req }: Pick<ParameterizedContext, 'req'>): boolean {
  return asked.has(req)
}

/** Makes the request a WebSocket; nothing can be answered to it any more. */
export function acceptSocket(ctx: ParameterizedContext<OpenState>): Promise<WebSocket> {
  const upgrade = asked.get(ctx.req)
  if (!upgrade) throw new Error('The request did not ask for a WebSocket')
  const { socket, head } = upgrade
  ctx.respond = false
  ctx.res.detachSocket(socket as Socket)
  return new Promise((resolve, reject) => {
    // A handshake that is not right is answered by the library, and the socket closes.
    const failed = new AppError('invalid', 'The handshake is not that of a WebSocket.', {
      reason: 'malformed_handshake',
    })
    if (socket.destroyed) return reject(failed)
    socket.once('close', () => reject(failed))
    sockets.handleUpgrade(ctx.req, socket, head, resolve)
  })
}

/**
 * Some clients offer another protocol with every request (`Upgrade: h2c`) and are content with HTTP/1.1. Node has stopped
 * reading the request at its head, because there are those who upgrade: it is read again without the offer.
 */
function asUsual(server: Server, request: IncomingMessage, socket: Duplex, head: Buffer): void {
  const { method, url, httpVersion, rawHeaders } = request
  const lines = [`${method} ${url} HTTP/${httpVersion}`]
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const name = rawHeaders[at] ?? ''
    if (!['upgrade', 'connection', 'http2-settings'].includes(name.toLowerCase())) {
      lines.push(`${name}: ${rawHeaders[at + 1]}`)
    }
  }
  socket.removeAllListeners('error')
  socket.unshift(Buffer.concat([Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'latin1'), head]))
  server.emit('connection', socket)
}
