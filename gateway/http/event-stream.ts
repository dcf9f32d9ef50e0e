import { PassThrough } from 'node:stream'
import type { ParameterizedContext } from 'koa'
import { AppError } from '../../runtime/app-error.js'
import type { OpenState } from './context.js'

export interface StreamEvent {
  /** Without a name and data: only tells the reader where to go on from. */
  event?: string
  id?: string
  data?: unknown
  /** The data as JSON already. */
  json?: string
}

const HEARTBEAT_MS = 15_000
/** A reader that takes nothing for so long is let go: it can go on later from where it was. */
const STUCK_MS = 30_000

/**
 * Answers with server-sent events, at the reader's pace, until `events` ends, the reader goes, or the server stops; `events`
 * gets a signal that fires in the last two cases. Comments in between keep proxies from closing a quiet stream.
 */
export function sendEvents(
  ctx: ParameterizedContext<OpenState>,
  events: (signal: AbortSignal) => AsyncIterable<StreamEvent>,
  { stuckMs = STUCK_MS }: { stuckMs?: number } = {},
): void {
  const gone = new AbortController()
  const body = new PassThrough()
  ctx.res.once('close', () => gone.abort())
  // While it was found out what to send.
  if (!ctx.writable) gone.abort()
  ctx.set({
    'Content-Type': 'text/event-stream; charset=utf-8',
    'Cache-Control': 'no-store',
    'X-Accel-Buffering': 'no',
  })
  ctx.status = 200
  ctx.body = body
  const { log, stopping } = ctx.state
  const signal = AbortSignal.any([gone.signal, stopping])
  const heartbeat = setInterval(() => {
    if (!body.writableNeedDrain) body.write(': still here\n\n')
  }, HEARTBEAT_MS)
  const write = async () => {
    body.write('retry: 2000\n\n')
    for await (const event of events(signal)) {
      if (signal.aborted) return
      if (!body.write(textOf(event))) await drained(body, stuckMs, signal)
    }
  }
  write()
    .catch((err: unknown) => {
      if (signal.aborted) return
      const isStuck = err instanceof AppError && err.reason === 'reader_stuck'
      if (isStuck) ctx.res.destroy()
      log.warn(isStuck ? { stuckMs } : { err }, isStuck ? 'http.reader_stuck' : 'http.stream_failed')
    })
    .finally(() => {
      clearInterval(heartbeat)
      body.end()
    })
}

function textOf({ event, id, data, json }: StreamEvent): string {
  const text = json ?? (data === undefined ? undefined : JSON.stringify(data))
  return [
    ...(id === undefined ? [] : [`id: ${id}\n`]),
    ...(event === undefined ? [] : [`event: ${event}\n`]),
    ...(text === undefined ? [] : [`data: ${text}\n`]),
    '\n',
  ].join('')
}

function drained(body: PassThrough, stuckMs: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const end = (finish: () => void) => () => {
      clearTimeout(timer)
      body.removeListener('drain', onDrain)
      signal.removeEventListener('abort', onDrain)
      finish()
    }
    const onDrain = end(resolve)
    const stuck = new AppError('timeout', 'The reader takes nothing.', { reason: 'reader_stuck' })
    const timer = setTimeout(
      end(() => reject(stuck)),
      stuckMs,
    )
    body.once('drain', onDrain)
    signal.addEventListener('abort', onDrain)
    if (signal.aborted) onDrain()
  })
}
