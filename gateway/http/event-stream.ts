import { once } from 'node:events'
import { PassThrough } from 'node:stream'
import type { ParameterizedContext } from 'koa'
import type { OpenState } from './context.js'

export interface StreamEvent {
  event: string
  id?: string
  data: unknown
}

const HEARTBEAT_MS = 15_000

/**
 * Answers with server-sent events, at the reader's pace, until `events` ends, the reader goes, or the server stops; `events`
 * gets a signal that fires in the last two cases. Comments in between keep proxies from closing a quiet stream.
 */
export function sendEvents(
  ctx: ParameterizedContext<OpenState>,
  events: (signal: AbortSignal) => AsyncIterable<StreamEvent>,
): void {
  const gone = new AbortController()
  const body = new PassThrough()
  ctx.res.once('close', () => gone.abort())
  ctx.set({
    'Content-Type': 'text/event-stream; charset=utf-8',
    'Cache-Control': 'no-store',
    'X-Accel-Buffering': 'no',
  })
  ctx.status = 200
  ctx.body = body
  const { log, stopping } = ctx.state
  const signal = AbortSignal.any([gone.signal, stopping])
  const heartbeat = setInterval(() => body.write(': still here\n\n'), HEARTBEAT_MS)
  const write = async () => {
    body.write('retry: 2000\n\n')
    for await (const { event, id, data } of events(signal)) {
      if (signal.aborted) return
      const text = `${id === undefined ? '' : `id: ${id}\n`}event: ${event}\ndata: ${JSON.stringify(data)}\n\n`
      if (!body.write(text)) await once(body, 'drain', { signal })
    }
  }
  write()
    .catch((err: unknown) => {
      if (!signal.aborted) log.warn({ err }, 'http.stream_failed')
    })
    .finally(() => {
      clearInterval(heartbeat)
      body.end()
    })
}
