import { createTable } from './create.js'

/** How much each tenant used on a day. */
export class UsageCounts1790000000027 extends createTable('usage_counts', (c) => ({
  columns: [
    c.ref('tenant_id', { isPrimary: true }),
    c.word('day', 10, { isPrimary: true }),
    c.ref('session_id', { isPrimary: true }),
    c.word('metric', 32, { isPrimary: true }),
    c.big('amount'),
  ],
  foreignKeys: { fk_usage_counts_tenant: [['tenant_id'], 'tenants', ['id'], 'CASCADE'] },
})) {
  name = 'UsageCounts1790000000027'
}
