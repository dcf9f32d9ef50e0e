/** Tenants as admins see them, and what each may do as everybody else asks. */
import type { TenantId } from '../../proto/contract.js'
import { AppError } from '../../runtime/app-error.js'
import type { Clock } from '../../runtime/clock.js'
import { newId } from '../../runtime/ids.js'
import type { Logger } from '../../runtime/log.js'
import type { Database, Tx } from '../db/database.js'
import { isDuplicate } from '../db/database-errors.js'
import { takeTurn } from '../db/counters.js'
import { Remembered } from '../db/remembered.js'
import {
  DEFAULT_LIMITS,
  DEFAULT_TENANT,
  isTenantId,
  isTenantName,
  refuseDeleting,
  type Tenant,
  type TenantLimits,
  tenantUnknown,
} from './tenant.js'
import type { TenantRepository } from './tenant-repository.js'

export interface TenantsOptions {
  db: Database
  repository: TenantRepository
  clock: Clock
  log: Logger
}

export interface NewTenant {
  name: string
  limits?: Partial<TenantLimits> | undefined
}

/** So long another gateway's change may go unseen. We promise 5 s. */
const TRUST_MS = 4_000

export class Tenants {
  private readonly byId = new Remembered<TenantId, Tenant>(TRUST_MS, (id) => this.options.repository.find(id))
  private readonly byRef = new Remembered<string, Tenant>(TRUST_MS, (ref) => this.options.repository.findByRef(ref))

  constructor(private readonly options: TenantsOptions) {}

  /** As it was at most 5 s ago, without asking the database each time: for every request, and for limits. */
  find(id: TenantId): Promise<Tenant | null> {
    return this.byId.find(id)
  }

  /** `find` by id or name. */
  findByRef(ref: string): Promise<Tenant | null> {
    if (isTenantId(ref)) return this.find(ref)
    if (!isTenantName(ref)) return Promise.resolve(null)
    return this.byRef.find(ref)
  }

  /** As it is now, by id or name. Throws `not_found` (`tenant_unknown`). */
  async get(ref: string): Promise<Tenant> {
    const tenant = await this.options.repository.findByRef(ref)
    if (!tenant) throw tenantUnknown()
    return tenant
  }

  list(limit: number, after?: string): Promise<Tenant[]> {
    return this.options.repository.list(limit, after)
  }

  /** Throws `conflict` (`tenant_exists`). `also` in the same transaction. */
  async create(wanted: NewTenant, also?: (tx: Tx, tenant: Tenant) => Promise<void>): Promise<Tenant> {
    const { db, repository, clock, log } = this.options
    const tenant: Tenant = {
      id: newId('ten'),
      name: wanted.name,
      status: 'active',
      limits: { ...DEFAULT_LIMITS, ...wanted.limits },
      createdAt: new Date(clock()),
    }
    await unlessTaken(wanted.name, () =>
      db.write(async (tx) => {
        await repository.add(tx, tenant)
        await also?.(tx, tenant)
      }),
    )
    log.info({ tenant: tenant.id }, 'tenant.created')
    return tenant
  }

  /** Throws `not_found`, `conflict` (`tenant_exists`, `tenant_deleting`, `tenant_default`). */
  async change(
    ref: string,
    { name, limits }: { name?: string | undefined; limits?: Partial<TenantLimits> | undefined },
  ): Promise<Tenant> {
    const { id } = await this.get(ref)
    if (name !== undefined && id === DEFAULT_TENANT) throw isDefault('renamed')
    return unlessTaken(name ?? '', () =>
      this.changed(id, (tenant) => ({
        ...tenant,
        name: name ?? tenant.name,
        limits: { ...tenant.limits, ...limits },
      })),
    )
  }

  /** Its keys are refused and what it has accepted waits, until `resume`. */
  async suspend(ref: string): Promise<Tenant> {
    const { id } = await this.get(ref)
    if (id === DEFAULT_TENANT) throw isDefault('suspended')
    return this.changed(id, (tenant) => ({ ...tenant, status: 'suspended' }))
  }

  async resume(ref: string): Promise<Tenant> {
    const { id } = await this.get(ref)
    return this.changed(id, (tenant) => ({ ...tenant, status: 'active' }))
  }

  private async changed(id: TenantId, decide: (tenant: Tenant) => Tenant): Promise<Tenant> {
    const { db, repository, log } = this.options
    const tenant = await db.write(async (tx) => {
      const newest = await repository.lock(tx, id)
      if (!newest) throw tenantUnknown()
      refuseDeleting(newest)
      const { name, status, limits } = decide(newest)
      await repository.update(tx, id, { name, status, limits })
      return { ...newest, name, status, limits }
    })
    this.forget()
    log.info({ tenant: id, status: tenant.status }, 'tenant.changed')
    return tenant
  }

  /** Tenants were changed here: that is true at once. */
  forget(): void {
    this.byId.forget()
    this.byRef.forget()
  }

  /**
   * In the transaction that makes one more of something: makers of the same tenant take turns, so that `count` is true
   * until it commits. Throws `conflict` (`tenant_deleting`, `session_limit_reached`, `webhook_limit_reached`).
   */
  async makeRoom(tx: Tx, id: TenantId, what: 'sessions' | 'webhooks', count: () => Promise<number>): Promise<void> {
    const tenant = await this.options.repository.findIn(tx, id)
    if (!tenant) throw tenantUnknown()
    refuseDeleting(tenant)
    const most = tenant.limits[what]
    if (most === null) return
    // Not the tenant's row: whoever stores an event of the tenant holds that, too.
    await takeTurn(tx, `${what} ${id}`)
    if ((await count()) < most) return
    throw new AppError('conflict', `The tenant ${tenant.name} may have ${most} ${what}, and has as many.`, {
      reason: what === 'sessions' ? 'session_limit_reached' : 'webhook_limit_reached',
    })
  }
}

async function unlessTaken<Result>(name: string, write: () => Promise<Result>): Promise<Result> {
  try {
    return await write()
  } catch (error) {
    if (!isDuplicate(error)) throw error
    throw new AppError('conflict', `There is a tenant called '${name}' already.`, {
      reason: 'tenant_exists',
      cause: error,
    })
  }
}

function isDefault(done: string): AppError {
  return new AppError('conflict', `The tenant default cannot be ${done}.`, { reason: 'tenant_default' })
}
