/** One reader of events: from a place on, as they come, at its own pace. */
import type { EventFilter, EventRepository } from './event-repository.js'
import type { EventTail, TailedEvent } from './event-tail.js'

export interface ReadItem {
  /** To go on from, after what was read so far. */
  place: number
  /** Absent: nothing happened for a while. */
  event?: { id: string; type: string; json: string }
}

const MOST_PER_READ = 100

/** Ends when the signal fires. Holds no more than a page of the database, or what the tail keeps anyway. */
export async function* readEvents(
  { repository, tail }: { repository: EventRepository; tail: EventTail },
  { after, filter, idleMs }: { after: number; filter: EventFilter; idleMs: number },
  signal: AbortSignal,
): AsyncGenerator<ReadItem> {
  let place = after
  while (!signal.aborted) {
    const near = tail.after(place)
    const seen = tail.newest()
    const events = near?.filter(wantedBy(filter)) ?? (await fromDatabase(place))
    for (const { event, json } of events) {
      place = event.place
      yield { place, event: { id: event.id, type: event.type, json: await json() } }
      if (signal.aborted) return
    }
    // What is not wanted has been passed, too. Without the tail: only once the database had nothing more.
    if (near ? near.length > 0 : events.length < MOST_PER_READ)
      place = Math.max(place, near?.at(-1)?.event.place ?? seen)
    if (!near || near.length > 0) continue
    if (!(await tail.news(place, idleMs, signal))) yield { place }
  }

  async function fromDatabase(from: number): Promise<TailedEvent[]> {
    return (await repository.list(from, MOST_PER_READ, filter)).map((event) => tail.tailed(event))
  }
}

function wantedBy({ tenantId, sessionIds, types }: EventFilter): (tailed: TailedEvent) => boolean {
  return ({ event }) =>
    (tenantId === undefined || event.tenantId === tenantId) &&
    (sessionIds === undefined || (event.sessionId !== undefined && sessionIds.includes(event.sessionId))) &&
    (!types?.length || types.includes(event.type))
}
