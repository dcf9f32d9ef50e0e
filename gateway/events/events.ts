/** Events as the API shows them. */
import type { SessionId, TenantId } from '../../proto/contract.js'
import { AppError } from '../../runtime/app-error.js'
import type { Caller } from '../messages/messages.js'
import type { Session } from '../sessions/session.js'
import type { ApiKey } from '../tenants/api-key.js'
import type { EventPresenter } from './event-presenter.js'
import type { EventFilter, EventRepository } from './event-repository.js'
import type { EventType } from './catalogue/catalogue.js'

export interface EventsOptions {
  repository: EventRepository
  presenter: EventPresenter
  /** Events of a tenant up to this place were removed. */
  trimmedTo: (tenantId: TenantId) => Promise<number>
  sessions: { get: (tenantId: TenantId, ref: string, key?: ApiKey) => Promise<Session> }
}

export interface WantedEvents {
  session?: string | undefined
  types?: readonly EventType[] | undefined
}

export class Events {
  constructor(private readonly options: EventsOptions) {}

  /**
   * Oldest first, after a place or from the oldest on; `last` is the place to go on from. Throws `gone` (`cursor_expired`)
   * when what came after the place is not kept any more.
   */
  async list(caller: Caller, wanted: WantedEvents, { limit, after }: { limit: number; after: number | undefined }) {
    const { repository, presenter, trimmedTo } = this.options
    const events = await repository.list(after ?? 0, limit, await this.filter(caller, wanted))
    // After the look, so that nothing can go unseen in between.
    const trimmed = await trimmedTo(caller.tenantId)
    if (after !== undefined && after < trimmed) {
      throw new AppError('gone', 'Events after this cursor are not kept any more. Begin anew without one.', {
        reason: 'cursor_expired',
      })
    }
    return { data: await presenter.all(events), last: events.at(-1)?.place ?? Math.max(after ?? 0, trimmed) }
  }

  private async filter({ tenantId, key }: Caller, { session, types }: WantedEvents): Promise<EventFilter> {
    const named = session === undefined ? undefined : await this.options.sessions.get(tenantId, session, key)
    const allowed = key.sessions.includes('*') ? undefined : (key.sessions as SessionId[])
    return { tenantId, sessionIds: named ? [named.id] : allowed, types }
  }
}
