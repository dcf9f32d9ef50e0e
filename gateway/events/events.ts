/** Events as the API shows them. */
import type { SessionId, TenantId } from '../../proto/contract.js'
import { AppError } from '../../runtime/app-error.js'
import type { Caller } from '../messages/messages.js'
import type { Session } from '../sessions/session.js'
import type { ApiKey } from '../tenants/api-key.js'
import type { EventType } from './catalogue/catalogue.js'
import type { EventPresenter } from './event-presenter.js'
import { ALL_TENANTS, type EventFilter, type EventRepository } from './event-repository.js'

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

/** Where to begin: after a place, or with what was stored at a time or later. */
export interface Beginning {
  after?: number | undefined
  since?: Date | undefined
}

export class Events {
  constructor(private readonly options: EventsOptions) {}

  /** From the oldest on unless told; `last` is the place to go on from. Throws `gone` (`cursor_expired`). */
  async list(caller: Caller, wanted: WantedEvents, page: Beginning & { limit: number }) {
    const { repository, presenter } = this.options
    const filter = await this.filter(caller, wanted)
    const newest = await repository.newestPlace()
    const begin = page.after ?? (page.since ? await repository.placeBefore(page.since) : 0)
    const events = await repository.list(begin, page.limit, filter)
    // After the look, so that nothing can go unseen in between.
    if (page.after !== undefined) await this.check(page.after, newest, filter)
    const data = await presenter.all(events)
    // Where the page is not full, all up to the newest has been looked at.
    const passed = events.length < page.limit ? Math.max(begin, newest) : begin
    return { data, last: Math.max(passed, events.at(-1)?.place ?? 0) }
  }

  /** The place that a stream begins after; the newest unless told. Throws `gone` (`cursor_expired`). */
  async begin({ after, since }: Beginning, filter: EventFilter): Promise<number> {
    const { repository } = this.options
    const newest = await repository.newestPlace()
    if (after !== undefined) await this.check(after, newest, filter)
    return after ?? (since ? repository.placeBefore(since) : newest)
  }

  private async check(after: number, newest: number, { tenantId }: EventFilter): Promise<void> {
    const trimmed = tenantId !== ALL_TENANTS ? await this.options.trimmedTo(tenantId) : 0
    // One that is ahead of all is from before the database was restored.
    if (after >= trimmed && after <= newest) return
    const message = 'What came after this cursor is not kept any more. Begin anew without one, or with `since`.'
    throw new AppError('gone', message, { reason: 'cursor_expired' })
  }

  /** What of all this caller is to see. Throws `not_found` for a session that is not there for it. */
  async filter({ tenantId, key }: Caller, { session, types }: WantedEvents): Promise<EventFilter> {
    const named = session === undefined ? undefined : await this.options.sessions.get(tenantId, session, key)
    const allowed = key.sessions.includes('*') ? undefined : (key.sessions as SessionId[])
    return { tenantId, sessionIds: named ? [named.id] : allowed, types }
  }
}
