import type { SessionId, TenantId } from '../../proto/contract.js'
import { AppError } from '../../runtime/app-error.js'
import type { LiveSession, LiveSessions } from './live-sessions.js'
import type { Tenants } from './tenants.js'

/** Several sessions could be meant: the operator is asked which. */
export class ChoiceNeeded extends Error {
  override name = 'ChoiceNeeded'

  constructor(
    readonly question: string,
    readonly sessions: LiveSession[],
  ) {
    super(question)
  }
}

/** The tenant that is there from the start; see gateway/tenants/tenant.ts. */
export const DEFAULT_TENANT: TenantId = 'ten_00000000000000000000000001'

export class FindSession {
  constructor(
    private readonly live: LiveSessions,
    private readonly tenants: Pick<Tenants, 'byRef'>,
  ) {}

  /**
   * The session that is meant by `name`, `tenant/name` or an id; without any, the only one, or the one called `preferred`.
   * Throws `not_found`, and `ChoiceNeeded` when it could be several.
   */
  async find(
    reference: string | undefined,
    { chosen, preferred }: { chosen?: SessionId | undefined; preferred?: string } = {},
  ): Promise<LiveSession> {
    if (chosen) return this.byId(chosen)
    const candidates = await this.candidates(reference, preferred)
    const [first, ...others] = candidates
    if (!first) throw notFound(reference)
    if (others.length === 0) return first
    throw new ChoiceNeeded(reference ? `There are several sessions called ${reference}:` : 'Which session?', candidates)
  }

  /** Throws `not_found`. */
  async byId(id: SessionId): Promise<LiveSession> {
    if (!this.live.find(id)) await this.live.refresh()
    const session = this.live.find(id)
    if (!session) throw new AppError('not_found', 'This session does not exist any more.')
    return session
  }

  private async candidates(reference: string | undefined, preferred: string | undefined): Promise<LiveSession[]> {
    const [name = '', tenant] = (reference ?? '').split('/').reverse()
    const tenantId = tenant === undefined ? undefined : (await this.tenants.byRef(tenant)).id
    const look = () => {
      const all = this.live.list()
      if (reference !== undefined)
        return all.filter((session) => session.id === reference || isCalled(session, name, tenantId))
      const favourite = all.filter(({ name }) => name === preferred)
      return favourite.length > 0 ? favourite : all
    }
    const found = look()
    if (found.length > 0) return found
    await this.live.refresh()
    return look()
  }
}

function isCalled(session: LiveSession, name: string, tenantId: TenantId | undefined): boolean {
  return session.name === name && (tenantId === undefined || session.tenantId === tenantId)
}

function notFound(reference: string | undefined): AppError {
  return reference === undefined
    ? new AppError('not_found', 'There is no session yet. /new <name> makes one.')
    : new AppError('not_found', `There is no session called ${reference}. /sessions lists them, /new makes one.`)
}
