/** Usage as it is asked for: added up by day, month or session. */
import type { SessionId, TenantId } from '../../proto/contract.js'
import { AppError } from '../../runtime/app-error.js'
import { mayUse } from '../http/authenticate.js'
import { isSessionId, type Session } from '../sessions/session.js'
import type { ApiKey } from '../tenants/api-key.js'
import type { Day } from './usage.js'
import { type Grouping, type UsageGroup, type UsageKey, UsageReportRepository } from './usage-report-repository.js'

export interface UsageQuery {
  /** Null: every tenant. */
  tenantId: TenantId | null
  from: Day
  to: Day
  /** Id or name. */
  session?: string | undefined
  groupBy: Grouping
}

export interface UsageReportOptions {
  repository: UsageReportRepository
  sessions: {
    /** Throws `not_found`. */
    get: (tenantId: TenantId, ref: string, key?: ApiKey) => Promise<Session>
    /** Deleted ones too. */
    findAll: (ids: readonly SessionId[]) => Promise<Session[]>
  }
}

/** A group with the name that its session has, or had. */
export interface NamedGroup extends UsageGroup {
  sessionName?: string
}

const AT_ONCE = 500

export class UsageReport {
  constructor(private readonly options: UsageReportOptions) {}

  /** Groups after a key, in its order; one more than `limit` when there are more. Throws `not_found`. */
  async list(key: ApiKey, query: UsageQuery, page: { limit: number; after?: UsageKey }): Promise<NamedGroup[]> {
    const sessionIds = await this.sessionIds(key, query)
    return this.named(await this.options.repository.list({ ...query, sessionIds }, page))
  }

  /** All groups, a page at a time. Throws what `list` throws, before the first page. */
  async all(key: ApiKey, query: UsageQuery): Promise<AsyncGenerator<NamedGroup[]>> {
    const sessionIds = await this.sessionIds(key, query)
    return this.pages({ ...query, sessionIds })
  }

  private async *pages(query: UsageQuery & { sessionIds: SessionId[] | undefined }): AsyncGenerator<NamedGroup[]> {
    for (let after: UsageKey | undefined; ;) {
      const groups = await this.options.repository.list(query, { limit: AT_ONCE, ...(after ? { after } : {}) })
      const shown = groups.slice(0, AT_ONCE)
      if (shown.length > 0) yield this.named(shown)
      if (groups.length <= AT_ONCE) return
      after = shown.at(-1)
    }
  }

  /** Those that it is about; undefined for all, and for what concerns the tenant as a whole. */
  private async sessionIds(key: ApiKey, { tenantId, session }: UsageQuery): Promise<SessionId[] | undefined> {
    if (session === undefined) return key.sessions.includes('*') ? undefined : (key.sessions as SessionId[])
    if (tenantId === null) {
      throw new AppError('invalid', 'session: say of which tenant.', { reason: 'invalid_request' })
    }
    return [(await this.find(tenantId, session, key)).id]
  }

  /** One that is deleted is found by its id: what it used stays. */
  private async find(tenantId: TenantId, ref: string, key: ApiKey): Promise<Pick<Session, 'id'>> {
    const { sessions } = this.options
    const gone = isSessionId(ref) ? (await sessions.findAll([ref]))[0] : undefined
    const isTheirs = gone?.tenantId === tenantId && gone.liveName === null && mayUse(key, gone.id)
    return isTheirs ? gone : sessions.get(tenantId, ref, key)
  }

  private async named(groups: UsageGroup[]): Promise<NamedGroup[]> {
    const ids = [...new Set(groups.flatMap(({ session }) => (session === '' ? [] : session)))]
    const names = new Map<string, string>()
    for (const { id, name } of ids.length === 0 ? [] : await this.options.sessions.findAll(ids)) names.set(id, name)
    return groups.map((group) => {
      const sessionName = names.get(group.session)
      return sessionName === undefined ? group : { ...group, sessionName }
    })
  }
}
