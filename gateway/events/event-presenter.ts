/** The public shape of an event, the same wherever it is read: in lists, in streams, at a webhook. */
import { type MediaId, type Message, storedMediaOf } from '../messages/message.js'
import { presentMessage } from '../messages/message-presenter.js'
import { API_VERSION, type Envelope, type EventData } from './catalogue/catalogue.js'
import type { StoredEvent } from './event.js'

export interface EventPresenterOptions {
  /** Which of these files are on their node only, and why they stay there, if they do. */
  pendingMedia: (ids: readonly MediaId[]) => Promise<ReadonlyMap<MediaId, string | null>>
  /** Where a file can be fetched without a key, for a while from now. */
  mediaUrl: (id: string) => string
}

export class EventPresenter {
  constructor(private readonly options: EventPresenterOptions) {}

  async one(event: StoredEvent): Promise<Envelope> {
    const [envelope] = await this.all([event])
    return envelope as Envelope
  }

  async all(events: readonly StoredEvent[]): Promise<Envelope[]> {
    const files = events.flatMap(({ data }) => {
      return (data.message && storedMediaOf(data.message.content)?.id) ?? []
    })
    const pending = files.length > 0 ? await this.options.pendingMedia(files) : new Map<MediaId, string | null>()
    return events.map((event) => this.present(event, pending))
  }

  private present(event: StoredEvent, pending: ReadonlyMap<MediaId, string | null>): Envelope {
    const { id, type, at, sessionId, session, sequence, data } = event
    const { message, ...rest } = data
    const shown = message ? { ...rest, message: this.message(message, session?.name ?? '', pending) } : rest
    return {
      id,
      type,
      timestamp: new Date(at).toISOString(),
      ...(sessionId && session
        ? {
            session: { id: sessionId, name: session.name, ...(session.phone ? { phone: `+${session.phone}` } : {}) },
          }
        : {}),
      ...(sequence === undefined ? {} : { sequence }),
      // What was stored is what the catalogue says of its type.
      data: shown as EventData,
      apiVersion: API_VERSION,
    } as Envelope
  }

  private message(message: Message, sessionName: string, pending: ReadonlyMap<MediaId, string | null>) {
    const file = storedMediaOf(message.content)?.id
    return presentMessage(message, {
      sessionName,
      // As it was then: where the node is now says nothing about it.
      nodePresent: true,
      suspended: false,
      mediaPending: file === undefined ? undefined : pending.get(file),
      mediaUrl: this.options.mediaUrl,
    })
  }
}
