/** Follows one node's event log from a cursor: stores what comes, many at a time, then acknowledges. */
import type { Cursor } from '../../proto/contract.js'
import type { FollowedEvent, Following, NodeClient } from '../../proto/node-client.js'
import { AppError } from '../../runtime/app-error.js'
import { sleep } from '../../runtime/clock.js'
import type { Logger } from '../../runtime/log.js'
import type { EventStoring, Stored } from './event-storing.js'
import type { Lease } from './node-cursor-repository.js'
import type { TakenMessages } from './taken-messages.js'

const MOST_PER_TRANSACTION = 500
/**
 * What may wait in memory; then the node is not read from, and it waits too. Its question whether it may send stands in
 * line behind these, and its answer holds for nine seconds: so as many as are stored in two, as fast as that went last.
 */
const MOST_WAITING = 2_000
const LEAST_WAITING = 200
const WAITING_MS = 2_000
/** Rest between two transactions, in which the next one gathers: as long as the last one took, within these. */
const LINGER_MS = 2
const MOST_LINGER_MS = 20
/** Where much happens, more shares each transaction: from so many events on, at least so long a rest. */
const lingers = [
  { events: 50, ms: 20 },
  { events: 4, ms: 10 },
]
const TRIES_ALONE = 5

export interface EventFollowerOptions {
  storing: EventStoring
  lease: Lease
  cursor: Cursor
  /** The stream stands: the node can be spoken to. `epoch` is of its log. */
  onLive: (epoch: string) => void
  /** The node asks whether it may send. */
  onQuestion: (asked: number, answer: Following['permit']) => void
  onStored: (stored: Stored) => void
  log: Logger
  /** How often an event failed alone, by its id; outlives the stream. */
  failures: Map<string, number>
  taken: TakenMessages
}

export class EventFollower {
  private readonly waiting: FollowedEvent[] = []
  private cursor: Cursor
  private ended = false
  private mostWaiting = LEAST_WAITING
  private wake: () => void = () => undefined

  constructor(private readonly options: EventFollowerOptions) {
    this.cursor = options.cursor
    options.taken.tell(() => this.wake())
  }

  /** Runs until the signal fires; throws when the stream ends or storing fails. */
  async run(client: NodeClient, signal: AbortSignal): Promise<void> {
    const { lease } = this.options
    const following = client.follow({ cursor: this.cursor, fence: lease.fence })
    const end = () => following.end()
    signal.addEventListener('abort', end)
    // It may have fired while the lease was being taken.
    if (signal.aborted) end()
    const reading = this.read(following).finally(() => {
      this.ended = true
      this.wake()
    })
    // Awaited below; until then its failure must not count as unhandled.
    reading.catch(() => undefined)
    try {
      await this.storeAll(following)
      await reading
    } catch (error) {
      if (!signal.aborted) throw error
    } finally {
      following.end()
      signal.removeEventListener('abort', end)
      // Why it ended was told by whatever ended it.
      await reading.catch(() => undefined)
    }
  }

  private async read(following: Following): Promise<void> {
    for await (const item of following.items) {
      if (item.kind === 'started') await this.begin(item.cursor)
      if (item.kind === 'question') this.options.onQuestion(item.asked, (permit) => following.permit(permit))
      if (item.kind !== 'batch') continue
      this.waiting.push(...item.events)
      this.wake()
      while (this.waiting.length > this.mostWaiting && !this.ended) await sleep(LINGER_MS)
    }
  }

  private async begin(at: Cursor): Promise<void> {
    if (at.epoch !== this.cursor.epoch) {
      if (this.cursor.epoch !== '') this.options.log.warn({ from: this.cursor, to: at }, 'node.epoch_changed')
      await this.options.storing.beginEpoch(this.options.lease, this.cursor, at, this.options.onStored)
      this.cursor = at
    }
    this.options.onLive(at.epoch)
  }

  private async storeAll(following: Following): Promise<void> {
    try {
      while (!this.ended || this.waiting.length > 0) {
        const leftMs = this.options.taken.leftMs()
        if (leftMs === 0) await this.options.storing.noteTaken(this.options.lease, this.cursor, this.options.taken)
        if (this.waiting.length === 0) {
          if (leftMs !== 0) await this.something(leftMs)
          continue
        }
        const taken = this.waiting.splice(0, Math.min(MOST_PER_TRANSACTION, this.mostWaiting))
        // What was stored before the stream broke comes again.
        const fresh = taken.filter(({ position }) => position > this.cursor.position)
        const began = performance.now()
        await this.store(fresh)
        following.acknowledge(this.cursor.position)
        const tookMs = performance.now() - began
        if (fresh.length >= LEAST_WAITING / 2) this.mostWaiting = within(WAITING_MS * (fresh.length / tookMs))
        if (this.waiting.length < MOST_PER_TRANSACTION) {
          const leastMs = lingers.find(({ events }) => fresh.length >= events)?.ms ?? LINGER_MS
          await sleep(Math.min(MOST_LINGER_MS, Math.max(leastMs, tookMs)))
        }
      }
    } finally {
      this.ended = true
    }
  }

  /** Resolves when there is something to do, or when what was taken has waited long enough. */
  private async something(leftMs: number | undefined): Promise<void> {
    const enough = new AbortController()
    const woken = new Promise<void>((resolve) => {
      this.wake = resolve
      if (this.ended || this.waiting.length > 0) resolve()
    })
    await (leftMs === undefined ? woken : Promise.race([woken, sleep(leftMs, enough.signal)]))
    enough.abort()
  }

  private async store(events: FollowedEvent[]): Promise<void> {
    if (events.length === 0) return
    try {
      this.done(events, await this.options.storing.store(this.options.lease, this.cursor, events, this.options.taken))
    } catch (error) {
      if (error instanceof AppError) throw error
      if (events.length > 1) {
        for (const event of events) await this.store([event])
        return
      }
      await this.storeFailing(events[0] as FollowedEvent, error)
    }
  }

  /** An event that is to blame itself: tried again by the next stream, and passed after the fifth time. */
  private async storeFailing(event: FollowedEvent, err: unknown): Promise<void> {
    const { failures, log, storing, lease } = this.options
    const tries = (failures.get(event.id) ?? 0) + 1
    failures.set(event.id, tries)
    log.error({ err, event: event.id, session: event.sessionId, tries }, 'event.not_stored')
    if (tries < TRIES_ALONE) throw err
    failures.delete(event.id)
    const why = 'It could not be stored.'
    this.done([event], await storing.storeUnreadable(lease, this.cursor, event, why))
  }

  private done(events: FollowedEvent[], stored: Stored): void {
    const { epoch, position } = events.at(-1) as FollowedEvent
    this.cursor = { epoch, position }
    this.options.onStored(stored)
  }
}

function within(waiting: number): number {
  return Math.min(MOST_WAITING, Math.max(LEAST_WAITING, Math.floor(waiting)))
}
