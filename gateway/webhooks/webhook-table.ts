import { nullable, Table } from '../db/table.js'
import type { Webhook, WebhookSecrets } from './webhook.js'

export interface WebhookRow extends Omit<Webhook, keyof WebhookSecrets> {
  /** The secrets. */
  sealed: string
  holder: string | null
  leaseUntil: number | null
}

export const webhookTable = new Table<WebhookRow>('webhooks', (c) => ({
  columns: {
    id: c.id(),
    tenantId: c.ref('tenant_id'),
    url: c.line('url', 2048),
    events: c.json('events'),
    sessions: c.json('sessions'),
    sealed: c.text('sealed'),
    description: c.line('description', 255, nullable),
    signature: c.word('signature', 16),
    ordered: c.bool('ordered'),
    concurrency: c.integer('concurrency'),
    status: c.word('status', 16),
    reason: c.word('reason', 64, nullable),
    health: c.json('health'),
    holder: c.ref('holder', nullable),
    leaseUntil: c.ms('lease_until', nullable),
    createdAt: c.time('created_at'),
  },
  indices: { ix_webhooks_tenant: ['tenantId', 'status'], ix_webhooks_holder: ['holder'] },
  foreignKeys: { fk_webhooks_tenant: [['tenantId'], 'tenants', ['id'], 'NO ACTION'] },
}))
