/** Deletes tenants with everything that is theirs: begun by an admin, finished bit by bit, whatever happens in between. */
import type { TenantId } from '../../proto/contract.js'
import { AppError } from '../../runtime/app-error.js'
import type { Clock } from '../../runtime/clock.js'
import { faultPoint } from '../../runtime/fault-point.js'
import type { Service } from '../../runtime/lifecycle.js'
import type { Logger } from '../../runtime/log.js'
import { Rounds } from '../../runtime/rounds.js'
import type { Database } from '../db/database.js'
import type { Session } from '../sessions/session.js'
import type { ApiKeyRepository } from './api-key-repository.js'
import type { ApiKeys } from './api-keys.js'
import { DEFAULT_TENANT, type Tenant, tenantUnknown } from './tenant.js'
import type { Footprint, TenantBelongings } from './tenant-belongings.js'
import type { TenantRepository } from './tenant-repository.js'
import type { Tenants } from './tenants.js'

export interface TenantRemovalOptions {
  db: Database
  repository: TenantRepository
  tenants: Tenants
  belongings: TenantBelongings
  keyRepository: ApiKeyRepository
  keys: Pick<ApiKeys, 'forget'>
  sessions: {
    /** Those that exist, also the ones being deleted. */
    existing: (tenantId: TenantId) => Promise<Session[]>
    /** Recorded when the node is away, and done once it answers. */
    remove: (session: Session) => Promise<unknown>
    /** On nodes that answer, once none exists any more. */
    clear: (tenantId: TenantId) => Promise<void>
  }
  /** Nothing is delivered to them any more. */
  endWebhooks: (tenantId: TenantId) => Promise<void>
  removeFiles: (ids: readonly string[]) => Promise<void>
  clock: Clock
  log: Logger
  roundMs?: number
}

const ROUND_MS = 5_000
/** Another gateway may know the tenant, and let its keys in, for a few seconds more. */
const SETTLE_MS = 6_000

export class TenantRemoval implements Service {
  private readonly rounds: Rounds

  constructor(private readonly options: TenantRemovalOptions) {
    this.rounds = new Rounds({
      round: (signal) => this.removeDue(signal),
      restMs: options.roundMs ?? ROUND_MS,
      onFailed: (err) => options.log.warn({ err }, 'tenants.not_removed'),
    })
  }

  start(): Promise<void> {
    return this.rounds.start()
  }

  stop(): Promise<void> {
    return this.rounds.stop()
  }

  /**
   * Once it is confirmed by the tenant's name: its keys are revoked now, the rest goes bit by bit. Throws `not_found`,
   * `conflict` (`tenant_default`, `confirmation_required` with what would go).
   */
  async begin(ref: string, confirm: string | undefined): Promise<Tenant> {
    const { db, repository, tenants, belongings, keyRepository, keys, clock, log } = this.options
    const tenant = await tenants.get(ref)
    const { id, name, status } = tenant
    if (id === DEFAULT_TENANT) {
      throw new AppError('conflict', 'The tenant default cannot be deleted.', { reason: 'tenant_default' })
    }
    if (status === 'deleting') return tenant
    if (confirm !== name) throw confirmationRequired(name, await belongings.footprint(id))
    await db.write(async (tx) => {
      const newest = await repository.lock(tx, id)
      if (!newest) throw tenantUnknown()
      const now = new Date(clock())
      await repository.update(tx, id, { status: 'deleting', deletingSince: now })
      await keyRepository.revokeAll(tx, id, now)
    })
    keys.forget()
    tenants.forget()
    log.info({ tenant: id }, 'tenant.deleting')
    this.rounds.wake()
    return { ...tenant, status: 'deleting' }
  }

  /** One round over all that are being deleted. */
  async removeDue(signal: AbortSignal): Promise<void> {
    for (const tenant of await this.options.repository.deleting()) {
      if (signal.aborted) return
      await this.remove(tenant, signal).catch((err: unknown) =>
        this.options.log.warn({ err, tenant: tenant.id }, 'tenant.not_removed'),
      )
    }
  }

  /** As much as can go now. */
  private async remove({ id, since }: { id: TenantId; since: number }, signal: AbortSignal): Promise<void> {
    const { db, belongings, endWebhooks, clock } = this.options
    await endWebhooks(id)
    if (!(await this.sessionsAreGone(id, signal))) return
    await this.removeFiles(id, signal)
    await belongings.removeDeliveries(id, signal)
    for (const table of belongings.tables) {
      if (table === 'messages') faultPoint('tenant.half_removed')
      await belongings.removeAll(table, id, signal)
    }
    const settled = clock() - since >= (db.dialect === 'sqlite' ? 0 : SETTLE_MS)
    if (settled && !signal.aborted) await this.finish(id)
  }

  private async sessionsAreGone(id: TenantId, signal: AbortSignal): Promise<boolean> {
    const { sessions, log } = this.options
    for (const session of await sessions.existing(id)) {
      if (signal.aborted) return false
      await sessions
        .remove(session)
        .catch((err: unknown) => log.warn({ err, session: session.id }, 'tenant.session_not_deleted'))
    }
    if ((await sessions.existing(id)).length > 0) return false
    await sessions.clear(id)
    return true
  }

  /** Rows first: a file without a row is found by the retention, a row without a file would promise what is not there. */
  private async removeFiles(id: TenantId, signal: AbortSignal): Promise<void> {
    const { belongings, removeFiles } = this.options
    for (;;) {
      const ids = await belongings.someFiles(id)
      if (ids.length === 0 || signal.aborted) return
      await belongings.removeByIds('media', ids)
      await removeFiles(ids)
    }
  }

  /** The row goes last: then the name is free. */
  private async finish(id: TenantId): Promise<void> {
    const { db, repository, belongings, tenants, log } = this.options
    await db.write(async (tx) => {
      await belongings.removeCounters(tx, id)
      await repository.remove(tx, id)
    })
    tenants.forget()
    log.info({ tenant: id }, 'tenant.deleted')
  }
}

function confirmationRequired(name: string, deletes: Footprint): AppError {
  const { sessions, messages, events, webhooks, apiKeys, files, bytes } = deletes
  const what = `${sessions} sessions, ${messages} messages, ${events} events, ${webhooks} webhooks, ${apiKeys} API keys and ${files} files (${bytes} bytes)`
  return new AppError('conflict', `This deletes ${what} for good. To do so, ask again with ?confirm=${name}.`, {
    reason: 'confirmation_required',
    more: { deletes },
  })
}
