import { nullable } from './columns.js'
import { createTable } from './create.js'

export class Webhooks1790000000016 extends createTable('webhooks', (c) => ({
  columns: [
    c.id(),
    c.ref('tenant_id'),
    c.line('url', 2048),
    c.json('events'),
    c.json('sessions'),
    // Secrets and headers, encrypted.
    c.text('sealed'),
    c.line('description', 255, nullable),
    c.word('signature', 16),
    c.bool('ordered'),
    c.integer('concurrency'),
    c.word('status', 16),
    c.word('reason', 64, nullable),
    c.json('health'),
    // The gateway that delivers to it, as long as the lease lasts.
    c.ref('holder', nullable),
    c.ms('lease_until', nullable),
    c.time('created_at'),
  ],
  indices: { ix_webhooks_tenant: ['tenant_id', 'status'], ix_webhooks_holder: ['holder'] },
  foreignKeys: { fk_webhooks_tenant: [['tenant_id'], 'tenants', ['id'], 'NO ACTION'] },
})) {
  name = 'Webhooks1790000000016'
}
