/** Events as the API shows them. */
import type { SessionId, TenantId } from '../../proto/contract.js'
import type { Message } from '../messages/message.js'
import type { MessageViews } from '../messages/message-views.js'
import type { Caller } from '../messages/messages.js'
import type { Session } from '../sessions/session.js'
import type { ApiKey } from '../tenants/api-key.js'
import type { EventRepository } from './event-repository.js'
import type { EventType, StoredEvent } from './event.js'

export interface EventsOptions {
  repository: EventRepository
  views: MessageViews
  sessions: {
    get: (tenantId: TenantId, ref: string, key?: ApiKey) => Promise<Session>
    find: (id: SessionId) => Promise<Session | null>
  }
}

export class Events {
  constructor(private readonly options: EventsOptions) {}

  /** Oldest first, after a place; `last` is the place to go on from. */
  async list(
    { tenantId, key }: Caller,
    filter: { session?: string | undefined; types?: readonly EventType[] | undefined },
    { limit, after }: { limit: number; after: number },
  ) {
    const { repository, sessions } = this.options
    const named = filter.session === undefined ? undefined : await sessions.get(tenantId, filter.session, key)
    const allowed = key.sessions.includes('*') ? undefined : (key.sessions as SessionId[])
    const sessionIds = named ? [named.id] : allowed
    const events = await repository.list(tenantId, after, limit, { sessionIds, types: filter.types })
    const known = new Map<SessionId, Session | null>()
    for (const { sessionId } of events) {
      if (!known.has(sessionId)) known.set(sessionId, await sessions.find(sessionId))
    }
    const data = await Promise.all(events.map((event) => this.present(event, known.get(event.sessionId) ?? null)))
    return { data, last: events.at(-1)?.place ?? after }
  }

  private async present({ id, type, at, sequence, sessionId, data }: StoredEvent, session: Session | null) {
    const { message, ...rest } = data
    return {
      id,
      type,
      timestamp: new Date(at).toISOString(),
      session: {
        id: sessionId,
        ...(session ? { name: session.name } : {}),
        ...(session?.phone ? { phone: `+${session.phone}` } : {}),
      },
      sequence,
      data: message ? { ...rest, message: await this.options.views.one(message as Message) } : rest,
      apiVersion: 'v1',
    }
  }
}
