/** The tenants whose sessions there are, as the gateway knows them: what operators call them, and who is suspended. */
import type { TenantId } from '../../proto/contract.js'
import { AppError } from '../../runtime/app-error.js'
import type { GatewayClient, GatewayTenant } from '../gateway-client.js'
import { DEFAULT_TENANT } from './find-session.js'

/** The one that is there from the start can neither be renamed nor suspended: the gateway need not be asked about it. */
const own: GatewayTenant = { id: DEFAULT_TENANT, name: 'default', status: 'active' }

export class Tenants {
  private known = new Map<TenantId, GatewayTenant>([[own.id, own]])

  constructor(private readonly gateway: Pick<GatewayClient, 'tenants'>) {}

  /** By id or name. Throws `not_found`. */
  async byRef(ref: string): Promise<GatewayTenant> {
    const named = () => [...this.known.values()].find(({ id, name }) => id === ref || name === ref)
    if (ref === own.id || ref === own.name) return own
    await this.read().catch((error: unknown) => {
      // What was known before serves while the gateway is away.
      if (!named()) throw error
    })
    const tenant = named()
    if (!tenant) throw new AppError('not_found', `There is no tenant called ${ref}.`, { reason: 'tenant_unknown' })
    return tenant
  }

  /** A session as an operator names it: `shop`, and `acme/shop` if it is another tenant's. */
  titleOf({ tenantId, name }: { tenantId: TenantId; name: string }): string {
    return tenantId === own.id ? name : `${this.known.get(tenantId)?.name ?? tenantId}/${name}`
  }

  /** Throws `forbidden` (`tenant_suspended`), and `unavailable` when nobody can tell. */
  async refuseSuspended(tenantId: TenantId): Promise<void> {
    if (tenantId === own.id) return
    const { name, status } = await this.byRef(tenantId)
    if (status === 'active') return
    throw new AppError('forbidden', `The tenant ${name} is suspended: nothing is sent for it.`, {
      reason: 'tenant_suspended',
    })
  }

  async read(): Promise<GatewayTenant[]> {
    const all = await this.gateway.tenants()
    this.known = new Map([own, ...all].map((tenant) => [tenant.id, tenant]))
    return all
  }
}
