import { Table } from '../db/table.js'
import type { Tenant } from './tenant.js'

export const tenantTable = new Table<Tenant>('tenants', (c) => ({
  columns: {
    id: c.id(),
    name: c.line('name', 80),
    status: c.word('status', 16),
    limits: c.json('limits'),
    createdAt: c.time('created_at'),
  },
  uniques: { uq_tenants_name: ['name'] },
}))
