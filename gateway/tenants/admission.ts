/** Who asks, and for whom: a key, the tenant that it acts for, and whether that may be now. */
import type { TenantId } from '../../proto/contract.js'
import { AppError } from '../../runtime/app-error.js'
import type { ApiKey } from './api-key.js'
import type { ApiKeys } from './api-keys.js'
import { refuseDeleting, type Tenant, tenantUnknown } from './tenant.js'
import type { Tenants } from './tenants.js'

export interface Credential {
  /** Of the key. */
  text: string
  /** Where the request comes from. */
  address: string
  /** `X-Tenant`, by which an admin acts for another tenant: its id or name. */
  tenant: string | undefined
}

export interface Admitted {
  key: ApiKey
  tenantId: TenantId
}

export class Admission {
  constructor(
    private readonly keys: Pick<ApiKeys, 'verify' | 'stillGood'>,
    private readonly tenants: Pick<Tenants, 'find' | 'findByRef'>,
  ) {}

  /**
   * Throws `unauthenticated`, `forbidden` (`address_not_allowed`, `tenant_suspended`, `scope_missing`), and, where an admin
   * acts for another tenant, `not_found` (`tenant_unknown`) and `conflict` (`tenant_deleting`).
   */
  async admit({ text, address, tenant: ref }: Credential): Promise<Admitted> {
    const key = await this.keys.verify(text, { address })
    refuse(await this.tenants.find(key.tenantId))
    if (ref === undefined) return { key, tenantId: key.tenantId }
    if (!key.scopes.includes('admin')) {
      throw new AppError('forbidden', 'Only a key with the scope admin acts for another tenant (X-Tenant).', {
        reason: 'scope_missing',
      })
    }
    const tenant = await this.tenants.findByRef(ref)
    if (!tenant) throw tenantUnknown()
    refuseDeleting(tenant)
    return { key, tenantId: tenant.id }
  }

  /** Those of these keys that would still be let in, as they are now: for what goes on for longer than a request. */
  async stillGood(ids: readonly ApiKey['id'][]): Promise<Map<ApiKey['id'], ApiKey>> {
    const good = await this.keys.stillGood(ids)
    for (const { id, tenantId } of good.values()) {
      const tenant = await this.tenants.find(tenantId)
      if (tenant?.status !== 'active') good.delete(id)
    }
    return good
  }
}

function refuse(tenant: Tenant | null): void {
  if (tenant?.status === 'active') return
  if (tenant?.status === 'suspended') {
    throw new AppError('forbidden', 'The tenant of this API key is suspended.', { reason: 'tenant_suspended' })
  }
  // It is gone, or going: so is the key.
  throw new AppError('unauthenticated', 'This API key is not known.', { reason: 'api_key_unknown' })
}
