import type { TenantId } from '../../proto/contract.js'
import { Table } from '../db/table.js'

/** What a tenant with a daily limit has used of it. */
export interface MessageQuotaRow {
  tenantId: TenantId
  /** Days since the epoch, in UTC. */
  day: number
  used: number
  /** Which of `quotaTold` it has heard. */
  told: number
}

export const messageQuotaTable = new Table<MessageQuotaRow>('message_quotas', (c) => ({
  columns: {
    tenantId: c.id('tenant_id'),
    day: c.integer('day', { isPrimary: true }),
    used: c.integer('used'),
    told: c.integer('told'),
  },
  foreignKeys: { fk_message_quotas_tenant: [['tenantId'], 'tenants', ['id'], 'CASCADE'] },
}))
