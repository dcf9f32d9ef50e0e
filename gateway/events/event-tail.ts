/** The newest events of all tenants, read once for every stream of this gateway, whichever gateway stored them. */
import { sleep } from '../../runtime/clock.js'
import type { Service } from '../../runtime/lifecycle.js'
import type { Logger } from '../../runtime/log.js'
import { Bell } from '../../runtime/bell.js'
import type { EventPresenter } from './event-presenter.js'
import { ALL_TENANTS, type EventRepository } from './event-repository.js'
import type { StoredEvent } from './event.js'

export interface EventTailOptions {
  repository: EventRepository
  presenter: EventPresenter
  log: Logger
  /** How often it looks; what this gateway stores wakes it at once. */
  pollMs?: number
}

const POLL_MS = 200
/** Rest after each look, in which more gathers. */
const REST_MS = 10
const FAILED_MS = 1_000
const MOST_PER_LOOK = 500
/** So many are kept for readers that are nearly up to date; the others read the database. */
const MOST_KEPT = 500
/** Links to files are good from the moment when they are shown, and a file that was pending may have come. */
const JSON_MS = 10_000

/** An event as streams hand it out: put together once for all that want it at about the same time. */
export interface TailedEvent {
  event: StoredEvent
  json: () => Promise<string>
}

export class EventTail implements Service {
  private recent: TailedEvent[] = []
  /** Every event after this place and up to `head` is in `recent`. */
  private since = 0
  private head = 0
  private readers = 0
  private stopping = new AbortController()
  private looking: Promise<void> | undefined
  private isWoken = false
  private readonly waking = new Bell()
  private readonly told = new Bell()

  constructor(private readonly options: EventTailOptions) {}

  start(): Promise<void> {
    this.stopping = new AbortController()
    return Promise.resolve()
  }

  async stop(): Promise<void> {
    this.stopping.abort()
    this.waking.ring()
    await this.looking
  }

  /** There are new events. */
  wake(): void {
    this.isWoken = true
    this.waking.ring()
  }

  /** It looks as long as somebody reads. Answers with the newest place of now. */
  async open(): Promise<number> {
    const newest = await this.options.repository.newestPlace()
    this.readers += 1
    if (!this.looking) {
      this.recent = []
      this.since = this.head = newest
      this.looking = this.keepLooking(this.stopping.signal)
    }
    return newest
  }

  close(): void {
    this.readers -= 1
    if (this.readers === 0) this.wake()
  }

  /** What it has after a place, oldest first; undefined when it does not reach back that far. */
  after(place: number): readonly TailedEvent[] | undefined {
    if (place < this.since) return undefined
    const last = this.recent.at(-1)
    if (!last || last.event.place <= place) return []
    return this.recent.slice(this.recent.findIndex(({ event }) => event.place > place))
  }

  /** As far as it has looked. */
  newest(): number {
    return this.head
  }

  /** True when there is more than after a place, or the signal fired; false when neither was so in time. */
  async news(place: number, ms: number, signal: AbortSignal): Promise<boolean> {
    return this.head > place || this.told.wait(ms, signal)
  }

  tailed(event: StoredEvent): TailedEvent {
    let json: Promise<string> | undefined
    let until = 0
    return {
      event,
      json: () => {
        if (!json || performance.now() > until) {
          until = performance.now() + JSON_MS
          json = this.options.presenter.one(event).then((shown) => JSON.stringify(shown))
          json.catch(() => (until = 0))
        }
        return json
      },
    }
  }

  private async keepLooking(stopping: AbortSignal): Promise<void> {
    const { pollMs = POLL_MS, log } = this.options
    while (this.readers > 0 && !stopping.aborted) {
      try {
        this.isWoken = false
        const more = await this.look()
        await sleep(REST_MS, stopping)
        if (!more && !this.isWoken && !stopping.aborted) await this.waking.wait(pollMs - REST_MS)
      } catch (err) {
        log.warn({ err }, 'events.not_read')
        await sleep(FAILED_MS, stopping)
      }
    }
    // In the same turn as the last look at who reads: whoever opens now begins anew.
    this.looking = undefined
  }

  /** True when there is probably more. */
  private async look(): Promise<boolean> {
    const events = await this.options.repository.list(this.head, MOST_PER_LOOK, { tenantId: ALL_TENANTS })
    const last = events.at(-1)
    if (!last) return false
    const all = [...this.recent, ...events.map((event) => this.tailed(event))]
    this.recent = all.slice(-MOST_KEPT)
    this.since = all.at(-MOST_KEPT - 1)?.event.place ?? this.since
    this.head = last.place
    this.told.ring()
    return events.length === MOST_PER_LOOK
  }
}
