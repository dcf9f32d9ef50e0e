import type { TenantId } from '../../proto/contract.js'

/** The tenant that is there from the start. */
export const DEFAULT_TENANT: TenantId = 'ten_00000000000000000000000001'

export interface Tenant {
  id: TenantId
  name: string
  status: 'active' | 'suspended'
  limits: Record<string, number>
  createdAt: Date
}
