/** What is posted for an event: the same envelope for every webhook that gets it, put together once for all of them. */
import type { EventId } from '../../proto/contract.js'
import type { Clock } from '../../runtime/clock.js'
import type { StoredEvent } from '../events/event.js'
import { type MediaId, storedMediaOf } from '../messages/message.js'
import type { Delivery } from './delivery.js'

/** What is posted, and the trace of the request that caused it. */
export interface Posted {
  bytes: Buffer
  traceId?: string | undefined
}

/** `gone`: the event is not kept any more. `waiting`: for its file, which is still being copied. */
export type Body = Posted | 'gone' | 'waiting'

export interface EventBodiesOptions {
  byIds: (ids: readonly EventId[]) => Promise<StoredEvent[]>
  present: (events: readonly StoredEvent[]) => Promise<unknown[]>
  /** Which of these files are on their node only, and why they stay there, if they do. */
  pendingMedia: (ids: readonly MediaId[]) => Promise<ReadonlyMap<MediaId, string | null>>
  clock: Clock
}

/** So long a delivery waits for the file of its message; then it says that the file is pending. */
const MEDIA_MS = 60_000
/** Links to files in a body are good for a while only, so it is not kept for long. */
const KEEP_MS = 10_000
const MOST_KEPT = 4_000
const MOST_BYTES = 32 * 2 ** 20

type Wanted = Pick<Delivery, 'eventId' | 'createdAt'>

export class EventBodies {
  private readonly kept = new Map<EventId, { body: Posted; until: number }>()
  private bytes = 0

  constructor(private readonly options: EventBodiesOptions) {}

  async one(wanted: Wanted): Promise<Body> {
    const known = this.kept.get(wanted.eventId)
    if (known && known.until > performance.now()) return known.body
    return (await this.load([wanted])).get(wanted.eventId) ?? 'gone'
  }

  /** Puts many together at once, so that `one` finds them. */
  async prepare(wanted: readonly Wanted[]): Promise<void> {
    const now = performance.now()
    const missing = wanted.filter(({ eventId }) => (this.kept.get(eventId)?.until ?? 0) < now + KEEP_MS / 2)
    if (missing.length > 0) await this.load(missing)
  }

  private async load(wanted: readonly Wanted[]): Promise<Map<EventId, Body>> {
    const { byIds, present, clock } = this.options
    const events = await byIds([...new Set(wanted.map(({ eventId }) => eventId))])
    const waiting = await this.waiting(events, new Map(wanted.map((each) => [each.eventId, each])), clock())
    const ready = events.filter(({ id }) => !waiting.has(id))
    const shown = await present(ready)
    const bodies = new Map<EventId, Body>([...waiting].map((id) => [id, 'waiting']))
    ready.forEach(({ id, traceId }, index) => {
      const body = { bytes: Buffer.from(JSON.stringify(shown[index])), traceId }
      bodies.set(id, body)
      this.keep(id, body)
    })
    return bodies
  }

  private async waiting(events: readonly StoredEvent[], wanted: ReadonlyMap<EventId, Wanted>, now: number) {
    const files = new Map<EventId, MediaId>()
    for (const { id, data } of events) {
      const file = data.message && storedMediaOf(data.message.content)?.id
      const age = now - (wanted.get(id)?.createdAt.getTime() ?? 0)
      if (file && age >= 0 && age < MEDIA_MS) files.set(id, file)
    }
    if (files.size === 0) return new Set<EventId>()
    const pending = await this.options.pendingMedia([...files.values()])
    // What stays there for a reason is not waited for.
    return new Set([...files].filter(([, file]) => pending.get(file) === null).map(([id]) => id))
  }

  private keep(id: EventId, body: Posted): void {
    this.drop(id)
    this.kept.set(id, { body, until: performance.now() + KEEP_MS })
    this.bytes += body.bytes.length
    for (const oldest of this.kept.keys()) {
      if (this.kept.size <= MOST_KEPT && this.bytes <= MOST_BYTES) break
      this.drop(oldest)
    }
  }

  private drop(id: EventId): void {
    this.bytes -= this.kept.get(id)?.body.bytes.length ?? 0
    this.kept.delete(id)
  }
}
