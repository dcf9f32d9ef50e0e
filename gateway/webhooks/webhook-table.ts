import type { TenantId } from '../../proto/contract.js'
import { nullable, Table } from '../db/table.js'
import type { Health, Signature, WebhookId, WebhookStatus } from './webhook.js'

export interface WebhookRow {
  id: WebhookId
  tenantId: TenantId
  url: string
  events: string[]
  sessions: string[]
  sealed: string
  description: string | null
  signature: Signature
  ordered: boolean
  concurrency: number
  status: WebhookStatus
  reason: string | null
  health: Health
  holder: string | null
  leaseUntil: number | null
  createdAt: Date
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
