/** Events as the API shows them. */
import type { SessionId, TenantId } from '../../proto/contract.js'
import type { Caller } from '../messages/messages.js'
import type { Session } from '../sessions/session.js'
import type { ApiKey } from '../tenants/api-key.js'
import type { EventPresenter } from './event-presenter.js'
import type { EventFilter, EventRepository } from './event-repository.js'
import type { EventType } from './catalogue/catalogue.js'

export interface EventsOptions {
  repository: EventRepository
  presenter: EventPresenter
  sessions: { get: (tenantId: TenantId, ref: string, key?: ApiKey) => Promise<Session> }
}

export interface WantedEvents {
  session?: string | undefined
  types?: readonly EventType[] | undefined
}

export class Events {
  constructor(private readonly options: EventsOptions) {}

  /** Oldest first, after a place; `last` is the place to go on from. */
  async list(caller: Caller, wanted: WantedEvents, { limit, after }: { limit: number; after: number }) {
    const { repository, presenter } = this.options
    const events = await repository.list(after, limit, await this.filter(caller, wanted))
    return { data: await presenter.all(events), last: events.at(-1)?.place ?? after }
  }

  private async filter({ tenantId, key }: Caller, { session, types }: WantedEvents): Promise<EventFilter> {
    const named = session === undefined ? undefined : await this.options.sessions.get(tenantId, session, key)
    const allowed = key.sessions.includes('*') ? undefined : (key.sessions as SessionId[])
    return { tenantId, sessionIds: named ? [named.id] : allowed, types }
  }
}
