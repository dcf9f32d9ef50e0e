import type { Cursor, NodeEvent, SessionId, WatchItem } from '../proto/contract.js'
import type { SendingPermit as PermitAnswer } from '../proto/node-client.js'
import { AppError } from '../runtime/app-error.js'
import { type Clock, sleep } from '../runtime/clock.js'
import type { Logger } from '../runtime/log.js'
import type { EventLog } from './journal/event-log.js'
import type { Pulse } from './pulse.js'
import type { SendingPermit } from './sending-permit.js'
import type { Sessions } from './sessions/sessions.js'

/** The gateway stores a batch in one transaction. */
const BATCH = 200
const REST_MS = 5
/** A follower with a lower fence is refused while a higher one is there, and this long after it went. */
const FENCE_HOLD_MS = 30_000

export type FollowRequest =
  | { kind: 'start'; cursor: Cursor; fence: number }
  | { kind: 'acknowledged'; position: number }
  | { kind: 'permit'; permit: PermitAnswer }
  | { kind: 'heartbeat' }

export type FollowAnswer =
  | { kind: 'started'; cursor: Cursor }
  | { kind: 'batch'; events: NodeEvent[] }
  | { kind: 'question'; asked: number }
  | { kind: 'heartbeat'; at: number }

export interface EventStreamsOptions {
  events: EventLog
  sessions: Sessions
  qrChanged: Pulse
  permit: SendingPermit
  heartbeatMs: number
  permitMs: number
  clock: Clock
  log: Logger
}

/** The two ways to read what happens on this node: watching (live, for people) and following (by cursor, for good). */
export class EventStreams {
  private follower: { fence: number; replaced: AbortController; leftAt?: number } | undefined

  constructor(private readonly options: EventStreamsOptions) {}

  /** A snapshot, then what happens. A reader that is slow gets the newest QR and, later, all events. */
  async *watch(
    { sessionIds, from }: { sessionIds: SessionId[]; from?: Cursor },
    signal: AbortSignal,
  ): AsyncGenerator<WatchItem> {
    const { events, sessions, clock } = this.options
    const only = sessionIds.length > 0 ? new Set(sessionIds) : undefined
    const watched = () => sessions.list().filter(({ record }) => !only || only.has(record.id))
    const cursor = events.end()
    const shown = new Map<SessionId, string>()
    const qrs = watched().flatMap((session) => session.qr() ?? [])
    for (const { sessionId, qr } of qrs) shown.set(sessionId, qr)
    yield { kind: 'snapshot', sessions: watched().map((session) => session.view()), qrs, cursor }

    let { epoch } = cursor
    let position = from ? events.startFor(from).position : cursor.position
    let quietSince = performance.now()
    while (!signal.aborted) {
      const { version, waiter } = this.changes()
      const end = events.end()
      if (end.epoch !== epoch) {
        epoch = end.epoch
        position = 0
      }
      const batch = events.read(position, BATCH, only)
      const moved = batch.next !== position
      position = batch.next
      let told = false
      for (const event of batch.events) {
        told = true
        yield { kind: 'event', event }
      }
      for (const qr of newQrs(watched(), shown)) {
        told = true
        yield { kind: 'qr', qr }
      }
      if (told) quietSince = performance.now()
      if (moved) continue
      const quietMs = this.options.heartbeatMs - (performance.now() - quietSince)
      if (quietMs <= 0) {
        quietSince = performance.now()
        yield { kind: 'heartbeat', at: clock() }
        continue
      }
      await waiter(version, signal, quietMs)
    }
  }

  /** The log from a cursor on. One follower at a time: a higher fence ends the stream of a lower one. */
  async *follow(requests: AsyncIterable<FollowRequest>, signal: AbortSignal): AsyncGenerator<FollowAnswer> {
    const reader = requests[Symbol.asyncIterator]()
    const first = await reader.next()
    if (first.done || first.value.kind !== 'start') {
      throw new AppError('invalid', 'The first request of a follower must be its start.')
    }
    const { cursor, fence } = first.value
    const me = this.takeOver(fence)
    const ending = new AbortController()
    const over = AbortSignal.any([signal, me.replaced.signal, ending.signal])
    const listening = this.listen(reader, over).finally(() => ending.abort())
    // Its end is seen by `over`; what it failed with is thrown below.
    listening.catch(() => undefined)
    try {
      yield* this.tail(await this.begin(cursor), over)
      if (me.replaced.signal.aborted) throw replaced()
      if (!signal.aborted) await listening
    } finally {
      ending.abort()
      me.leftAt = performance.now()
    }
  }

  private async begin(cursor: Cursor): Promise<Cursor> {
    const { events, sessions, log } = this.options
    if (events.isBehind(cursor)) {
      log.warn({ asked: cursor, end: events.end() }, 'events.new_epoch')
      await sessions.retellAll()
    }
    return events.startFor(cursor)
  }

  private async *tail(start: Cursor, over: AbortSignal): AsyncGenerator<FollowAnswer> {
    const { events, permit, heartbeatMs, permitMs, clock } = this.options
    yield { kind: 'started', cursor: start }
    let { position } = start
    let quietSince = performance.now()
    let askedAt = -Infinity
    while (!over.aborted) {
      const { version } = events.changed
      if (events.end().epoch !== start.epoch) {
        throw new AppError('unavailable', 'The event log began anew.', { reason: 'new_epoch' })
      }
      if (performance.now() - askedAt >= permitMs) {
        askedAt = performance.now()
        yield { kind: 'question', asked: permit.ask() }
      }
      const batch = events.read(position, BATCH)
      position = batch.next
      if (batch.events.length > 0) {
        yield { kind: 'batch', events: batch.events }
        quietSince = performance.now()
        // The first goes at once; what follows it closely goes together.
        if (batch.events.length < BATCH) await sleep(REST_MS, over)
        continue
      }
      const quietMs = heartbeatMs - (performance.now() - quietSince)
      if (quietMs <= 0) {
        yield { kind: 'heartbeat', at: clock() }
        quietSince = performance.now()
      } else {
        const askMs = Math.max(0, askedAt + permitMs - performance.now())
        await events.changed.since(version, { signal: over, ms: Math.min(quietMs, askMs) })
      }
    }
  }

  private async listen(reader: AsyncIterator<FollowRequest>, over: AbortSignal): Promise<void> {
    while (!over.aborted) {
      const next = await reader.next()
      if (next.done || over.aborted) return
      if (next.value.kind === 'permit') this.options.permit.grant(next.value.permit)
      if (next.value.kind === 'start') throw new AppError('invalid', 'A follower starts once.')
      if (next.value.kind === 'acknowledged') {
        this.options.events
          .acknowledge(next.value.position)
          .catch((err: unknown) => this.options.log.error({ err }, 'events.not_acknowledged'))
      }
    }
  }

  private takeOver(fence: number) {
    const before = this.follower
    const there = before && (before.leftAt === undefined || performance.now() - before.leftAt < FENCE_HOLD_MS)
    if (there && fence < before.fence) throw replaced()
    before?.replaced.abort()
    this.follower = { fence, replaced: new AbortController() }
    return this.follower
  }

  /** Events and QRs as one thing to wait for. */
  private changes() {
    const { events, qrChanged } = this.options
    const version = { events: events.changed.version, qrs: qrChanged.version }
    const waiter = async (seen: typeof version, signal: AbortSignal, ms: number) => {
      const enough = new AbortController()
      const either = AbortSignal.any([signal, enough.signal])
      await Promise.race([
        events.changed.since(seen.events, { signal: either, ms }),
        qrChanged.since(seen.qrs, { signal: either, ms }),
      ])
      enough.abort()
    }
    return { version, waiter }
  }
}

const replaced = () => new AppError('conflict', 'Another gateway follows this node.', { reason: 'follower_replaced' })

function newQrs(watched: ReturnType<Sessions['list']>, shown: Map<SessionId, string>) {
  return watched.flatMap((session) => {
    const { id } = session.record
    const qr = session.qr()
    if ((qr?.qr ?? '') === (shown.get(id) ?? '')) return []
    if (qr) shown.set(id, qr.qr)
    else shown.delete(id)
    return [qr ?? { sessionId: id, qr: '', expiresAt: 0 }]
  })
}
