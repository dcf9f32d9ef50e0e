import { nullable } from './columns.js'
import { createTable } from './create.js'

export class WebhookReplays1790000000031 extends createTable('webhook_replays', (c) => ({
  columns: [
    c.id(),
    c.ref('tenant_id'),
    c.ref('webhook_id'),
    c.time('since', nullable),
    c.bool('succeeded'),
    c.big('place'),
    c.big('last_place'),
    c.integer('deliveries'),
    c.word('status', 16),
    c.time('created_at'),
    c.ms('ended_at', nullable),
  ],
  indices: {
    ix_webhook_replays_webhook: ['webhook_id', 'id'],
    ix_webhook_replays_status: ['status', 'ended_at'],
  },
  foreignKeys: { fk_webhook_replays_webhook: [['webhook_id'], 'webhooks', ['id'], 'CASCADE'] },
})) {
  name = 'WebhookReplays1790000000031'
}
