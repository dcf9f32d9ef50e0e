import { nullable, Table } from '../db/table.js'
import type { Tenant, TenantLimits } from './tenant.js'

export interface TenantRow extends Omit<Tenant, 'limits'> {
  /** A limit that is not there is none. */
  limits: Partial<TenantLimits>
  deletingSince: Date | null
}

export const tenantTable = new Table<TenantRow>('tenants', (c) => ({
  columns: {
    id: c.id(),
    name: c.line('name', 80),
    status: c.word('status', 16),
    limits: c.json('limits'),
    createdAt: c.time('created_at'),
    deletingSince: c.time('deleting_since', nullable),
  },
  uniques: { uq_tenants_name: ['name'] },
}))
