import { nullable, Table } from '../db/table.js'
import type { Replay } from './replay.js'

export const replayTable = new Table<Replay>('webhook_replays', (c) => ({
  columns: {
    id: c.id(),
    tenantId: c.ref('tenant_id'),
    webhookId: c.ref('webhook_id'),
    since: c.time('since', nullable),
    succeeded: c.bool('succeeded'),
    place: c.big('place'),
    lastPlace: c.big('last_place'),
    deliveries: c.integer('deliveries'),
    status: c.word('status', 16),
    createdAt: c.time('created_at'),
    endedAt: c.ms('ended_at', nullable),
  },
  indices: {
    ix_webhook_replays_webhook: ['webhookId', 'id'],
    ix_webhook_replays_status: ['status', 'endedAt'],
  },
  foreignKeys: { fk_webhook_replays_webhook: [['webhookId'], 'webhooks', ['id'], 'CASCADE'] },
}))
