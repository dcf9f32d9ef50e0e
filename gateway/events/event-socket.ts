/** The stream of events over a WebSocket: who asks, what is sent, how it ends. */
import { once } from 'node:events'
import type { WebSocket } from 'ws'
import { z } from 'zod'
import { AppError, toAppError } from '../../runtime/app-error.js'
import { statusOf } from '../http/error-middleware.js'
import { parse } from '../http/parse.js'
import type { ReadItem } from './event-reader.js'

export interface SocketTiming {
  /** Between two pings; who has not answered the last one is gone. */
  pingMs: number
  /** How long a reader may take nothing. */
  stuckMs: number
  /** How long a client may take to say its key. */
  keyMs: number
}

export const socketTiming: SocketTiming = { pingMs: 15_000, stuckMs: 30_000, keyMs: 10_000 }
/** So much may wait for the reader before nothing more is read for it. */
const MOST_WAITING = 64 * 1024
const CLOSE_MS = 2_000
/** As RFC 6455 and its registry have them; what is refused is 4000 and the status of HTTP. */
const GOING_AWAY = 1001
const OWN_CODES = 4_000

const FirstMessage = z.object({ key: z.string().min(1).max(256) })

/** The first thing that a client without headers of its own says, such as a browser. Throws `unauthenticated`. */
export async function keyFrom(socket: WebSocket, { keyMs }: SocketTiming): Promise<string> {
  const gone = new AbortController()
  socket.once('close', () => gone.abort())
  try {
    const signal = AbortSignal.any([AbortSignal.timeout(keyMs), gone.signal])
    const [data] = (await once(socket, 'message', { signal })) as [Buffer]
    return parse(FirstMessage, JSON.parse(data.toString('utf8'))).key
  } catch (cause) {
    const message = 'Send {"key": "<API key>"} first, or the key as a header of the request.'
    throw new AppError('unauthenticated', message, { reason: 'api_key_missing', cause })
  }
}

/** Sends items until they end, the client goes or the signal fires; then closes. */
export async function sendItems(
  socket: WebSocket,
  items: (signal: AbortSignal) => AsyncIterable<ReadItem>,
  { cursorOf, signal, timing }: { cursorOf: (place: number) => string; signal: AbortSignal; timing: SocketTiming },
): Promise<void> {
  const gone = new AbortController()
  socket.once('close', () => gone.abort())
  if (socket.readyState !== socket.OPEN) gone.abort()
  const pinging = keepPinging(socket, timing)
  try {
    for await (const { place, event } of items(AbortSignal.any([signal, gone.signal]))) {
      if (gone.signal.aborted || signal.aborted) break
      // The event is JSON already.
      const cursor = JSON.stringify(cursorOf(place))
      const text = event ? `{"cursor":${cursor},"event":${event.json}}` : `{"cursor":${cursor}}`
      await send(socket, text, timing)
    }
    signal.throwIfAborted()
  } finally {
    clearInterval(pinging)
  }
}

/** Tells why. */
export function refuse(socket: WebSocket, thrown: unknown): void {
  const error = toAppError(thrown)
  close(socket, OWN_CODES + statusOf(error), error.reason)
}

/** The gateway stops; another one, or this one later, goes on from the last cursor. */
export function goodbye(socket: WebSocket): void {
  close(socket, GOING_AWAY, 'stopping')
}

function close(socket: WebSocket, code: number, reason: string): void {
  socket.close(code, reason)
  // A client that does not say goodbye in turn must not hold up a stop.
  const cut = setTimeout(() => socket.terminate(), CLOSE_MS)
  socket.once('close', () => clearTimeout(cut))
}

function keepPinging(socket: WebSocket, { pingMs }: SocketTiming): NodeJS.Timeout {
  let answered = true
  socket.on('pong', () => (answered = true))
  return setInterval(() => {
    if (!answered) return socket.terminate()
    answered = false
    socket.ping()
  }, pingMs)
}

/** Resolves once the reader has taken enough of it. Throws when it takes nothing. */
async function send(socket: WebSocket, text: string, { stuckMs }: SocketTiming): Promise<void> {
  const written = new Promise<void>((resolve) => socket.send(text, () => resolve()))
  if (socket.bufferedAmount < MOST_WAITING) return
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<'late'>((resolve) => (timer = setTimeout(() => resolve('late'), stuckMs)))
  // The library calls back for a socket that has closed, too.
  const ended = await Promise.race([written, late])
  clearTimeout(timer)
  if (ended !== 'late') return
  socket.terminate()
  throw new AppError('timeout', 'The reader takes nothing.', { reason: 'reader_stuck' })
}
