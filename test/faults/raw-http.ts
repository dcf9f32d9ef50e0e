/** HTTP as no client library would send it: whatever bytes, as slowly as wanted, or without end. */
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'

export interface RawAnswer {
  /** 0 when the connection ended without an answer. */
  status: number
  text: string
  /** Bytes of the request that went out before the answer came. */
  sent: number
  /** From the first byte to the end of the connection. */
  ms: number
}

/** Sends until it is answered or nothing is left, and reads until the server ends the connection. */
export async function sendRaw(url: string, head: string, body: Iterable<Buffer>): Promise<RawAnswer> {
  const socket = await opened(url)
  const began = performance.now()
  const parts: Buffer[] = []
  let wake = () => {}
  const happens = () => new Promise<void>((resolve) => (wake = resolve))
  socket.on('error', () => undefined)
  socket.on('data', (part: Buffer) => {
    parts.push(part)
    wake()
  })
  socket.on('drain', () => wake())
  socket.on('close', () => wake())
  const isOver = () => parts.length > 0 || socket.destroyed
  socket.write(head)
  for (const part of body) {
    if (isOver()) break
    if (!socket.write(part)) await happens()
  }
  const sent = socket.bytesWritten
  while (!isOver()) await happens()
  socket.end()
  while (!socket.closed) await happens()
  const text = Buffer.concat(parts).toString()
  const status = Number(/^HTTP\/1\.1 (\d{3}) /.exec(text)?.[1] ?? 0)
  return { status, text, sent, ms: performance.now() - began }
}

/** A request that never comes to its end, one header a second; answers how long the server bore with it. */
export async function dribble(url: string): Promise<{ socket: Socket; closed: Promise<number> }> {
  const socket = await opened(url)
  const began = performance.now()
  socket.on('error', () => undefined)
  socket.write('GET /api/v1/sessions HTTP/1.1\r\nHost: slow\r\n')
  const more = setInterval(() => socket.write(`X-${Math.random()}: 1\r\n`), 1_000)
  // What it is told before it is cut off has to be read.
  socket.resume()
  const closed = new Promise<number>((resolve) => {
    socket.once('close', () => {
      clearInterval(more)
      resolve(performance.now() - began)
    })
  })
  return { socket, closed }
}

async function opened(url: string): Promise<Socket> {
  const { hostname, port } = new URL(url)
  const socket = connect(Number(port), hostname)
  await once(socket, 'connect')
  return socket
}

/** The head of a POST with JSON or a form. */
export function head(path: string, headers: Record<string, string>): string {
  const lines = Object.entries({ Host: 'raw', ...headers }).map(([name, value]) => `${name}: ${value}`)
  return `POST ${path} HTTP/1.1\r\n${lines.join('\r\n')}\r\n\r\n`
}

/** A body of chunks, as much as anybody takes. */
export function* chunked(first: Buffer, most: number): Generator<Buffer> {
  const piece = Buffer.alloc(64 * 1024, 'a')
  yield chunk(first)
  for (let sent = first.length; sent < most; sent += piece.length) yield chunk(piece)
  yield Buffer.from('0\r\n\r\n')
}

function chunk(data: Buffer): Buffer {
  return Buffer.concat([Buffer.from(`${data.length.toString(16)}\r\n`), data, Buffer.from('\r\n')])
}
