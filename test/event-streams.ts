/** Readers of event streams as integrators have them. */
import { once } from 'node:events'
import { WebSocket } from 'ws'
import { until } from './until.js'

export interface StreamedEvent {
  id?: string
  event?: string
  // What an event holds is for the test to say.
  // eslint-disable-next-line @typescript-eslint/no-explicit-any
  data?: any
}

export interface EventSourceReader {
  status: number
  /** In their order; those without data only tell a cursor. */
  events: StreamedEvent[]
  lastId(): string | undefined
  ended: Promise<void>
  close(): void
}

/** Server-sent events, read as they come. */
export async function readEventStream(
  url: string,
  { key, lastId, onEvent }: { key: string; lastId?: string | undefined; onEvent?: (event: StreamedEvent) => void },
): Promise<EventSourceReader> {
  const leaving = new AbortController()
  const answer = await fetch(url, {
    headers: { 'X-API-Key': key, ...(lastId ? { 'Last-Event-ID': lastId } : {}) },
    signal: leaving.signal,
  })
  const reader: EventSourceReader = {
    status: answer.status,
    events: [],
    lastId: () => reader.events.findLast(({ id }) => id !== undefined)?.id,
    ended: Promise.resolve(),
    close: () => leaving.abort(),
  }
  if (!answer.body || answer.status !== 200) {
    await answer.body?.cancel()
    return reader
  }
  const body = answer.body
  reader.ended = (async () => {
    const decoder = new TextDecoder()
    let rest = ''
    try {
      for await (const chunk of body) {
        rest += decoder.decode(chunk as Uint8Array, { stream: true })
        const blocks = rest.split('\n\n')
        rest = blocks.pop() ?? ''
        for (const block of blocks) {
          const event = parsed(block)
          if (!event) continue
          reader.events.push(event)
          onEvent?.(event)
        }
      }
    } catch {
      // The line broke, or the test left.
    }
  })()
  await until('the stream tells where it begins', () => reader.events.length > 0)
  return reader
}

function parsed(block: string): StreamedEvent | undefined {
  const event: StreamedEvent = {}
  for (const line of block.split('\n')) {
    if (line.startsWith('id: ')) event.id = line.slice(4)
    if (line.startsWith('event: ')) event.event = line.slice(7)
    if (line.startsWith('data: ')) event.data = JSON.parse(line.slice(6))
  }
  return Object.keys(event).length > 0 ? event : undefined
}

export interface SocketReader {
  socket: WebSocket
  // eslint-disable-next-line @typescript-eslint/no-explicit-any
  messages: any[]
  closed: Promise<{ code: number; reason: string }>
}

/** A WebSocket, with the key in a header, or in the first message as browsers do it. Throws when it is refused. */
export async function openEventSocket(
  url: string,
  key: { header: string } | { message: string } | undefined,
): Promise<SocketReader> {
  const headers = key && 'header' in key ? { Authorization: `Bearer ${key.header}` } : {}
  const socket = new WebSocket(url.replace(/^http/, 'ws'), { headers })
  // eslint-disable-next-line @typescript-eslint/no-explicit-any
  const messages: any[] = []
  socket.on('message', (data: Buffer) => messages.push(JSON.parse(data.toString('utf8'))))
  const closed = once(socket, 'close').then(([code, reason]) => ({ code: code as number, reason: String(reason) }))
  closed.catch(() => undefined)
  await once(socket, 'open')
  if (key && 'message' in key) socket.send(JSON.stringify({ key: key.message }))
  return { socket, messages, closed }
}
