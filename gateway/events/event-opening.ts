/** What stands before a stream of events, whichever way it is sent: who asks, for what, from where on. */
import { checkScope } from '../http/authenticate.js'
import type { ApiContext } from '../http/context.js'
import { parse } from '../http/parse.js'
import { type ReadItem, readEvents } from './event-reader.js'
import type { EventRepository } from './event-repository.js'
import { placeOf, StreamEvents } from './event-requests.js'
import type { EventTail } from './event-tail.js'
import type { Events } from './events.js'
import type { LiveStreams } from './live-streams.js'

export interface EventOpeningOptions {
  events: Events
  repository: EventRepository
  tail: EventTail
  streams: LiveStreams
  /** A reader is told where it is when nothing happened for so long. */
  idleMs?: number
}

const IDLE_MS = 15_000

export interface OpenedStream {
  /** First where it begins, then what comes. To be read once; what it took is given back when the reading ends. */
  items: (signal: AbortSignal) => AsyncIterable<ReadItem>
  /** Fires when the key is good no longer. */
  signal: AbortSignal
  /** For a stream that is not read after all. */
  close: () => void
}

export class EventOpening {
  constructor(private readonly options: EventOpeningOptions) {}

  /** Throws everything that a request for a stream can be refused with. */
  async open(ctx: ApiContext): Promise<OpenedStream> {
    const { events, repository, tail, idleMs = IDLE_MS } = this.options
    const { tenantId, key } = ctx.state
    checkScope(key, 'events:read')
    const { session, since, type, cursor, lastEventId } = parse(StreamEvents, ctx.query)
    // A browser that connects again sends the header, with the address as it was at first.
    const given = ctx.get('Last-Event-ID') || lastEventId || cursor
    const filter = await events.filter({ tenantId, key }, { session, types: type })
    const { signal, close } = await this.take(ctx)
    try {
      const after = await events.begin({ after: given ? placeOf(given) : undefined, since }, filter)
      async function* items(gone: AbortSignal): AsyncGenerator<ReadItem> {
        try {
          yield { place: after }
          yield* readEvents({ repository, tail }, { after, filter, idleMs }, gone)
        } finally {
          close()
        }
      }
      return { items, signal, close }
    } catch (error) {
      close()
      throw error
    }
  }

  private async take({ state: { tenantId, key } }: ApiContext) {
    const { streams, tail } = this.options
    const stream = streams.open({ tenantId, key })
    try {
      await tail.open()
    } catch (error) {
      stream.close()
      throw error
    }
    let isOpen = true
    const close = () => {
      if (isOpen) tail.close()
      isOpen = false
      stream.close()
    }
    return { signal: stream.signal, close }
  }
}
