import type { NodeId, SessionId, TenantId } from '../../proto/contract.js'
import { Table } from '../db/table.js'
import type { Day, Metric } from './usage.js'

/** One number. The key begins with what is asked for: a tenant and some days. */
export interface UsageCountRow {
  tenantId: TenantId
  day: Day
  /** Empty for what concerns the tenant as a whole. */
  sessionId: SessionId | ''
  metric: Metric
  amount: number
}

export const usageCountTable = new Table<UsageCountRow>('usage_counts', (c) => ({
  columns: {
    tenantId: c.ref('tenant_id', { isPrimary: true }),
    day: c.word('day', 10, { isPrimary: true }),
    sessionId: c.ref('session_id', { isPrimary: true }),
    metric: c.word('metric', 32, { isPrimary: true }),
    amount: c.big('amount'),
  },
  foreignKeys: { fk_usage_counts_tenant: [['tenantId'], 'tenants', ['id'], 'CASCADE'] },
}))

/** A day that was counted once more. */
export interface UsageDayRow {
  day: Day
  /** ms since the epoch. */
  recountedAt: number
}

export const usageDayTable = new Table<UsageDayRow>('usage_days', (c) => ({
  columns: { day: c.word('day', 10, { isPrimary: true }), recountedAt: c.ms('recounted_at') },
}))

export interface UsageNodeRow {
  nodeId: NodeId
  /** The time of its connected sessions is counted until then; ms since the epoch. */
  countedTo: number
}

export const usageNodeTable = new Table<UsageNodeRow>('usage_nodes', (c) => ({
  columns: { nodeId: c.id('node_id'), countedTo: c.ms('counted_to') },
}))
