import { nullable, Table } from '../db/table.js'
import type { Attempt, Delivery } from './delivery.js'

export const deliveryTable = new Table<Delivery>('deliveries', (c) => ({
  columns: {
    id: c.id(),
    tenantId: c.ref('tenant_id'),
    webhookId: c.ref('webhook_id'),
    eventId: c.ref('event_id'),
    eventType: c.word('event_type', 64),
    sessionId: c.ref('session_id', nullable),
    place: c.big('place'),
    status: c.word('status', 16),
    attempts: c.integer('attempts'),
    dueAt: c.ms('due_at', nullable),
    createdAt: c.time('created_at'),
    endedAt: c.ms('ended_at', nullable),
  },
  uniques: { uq_deliveries_event: ['webhookId', 'place'] },
  indices: {
    ix_deliveries_due: ['webhookId', 'status', 'dueAt', 'place'],
    ix_deliveries_status: ['webhookId', 'status', 'place'],
    ix_deliveries_ended: ['endedAt'],
  },
}))

export const attemptTable = new Table<Attempt>('delivery_attempts', (c) => ({
  columns: {
    id: c.id(),
    deliveryId: c.ref('delivery_id'),
    at: c.time('at'),
    status: c.integer('status', nullable),
    error: c.word('error', 64, nullable),
    durationMs: c.integer('duration_ms'),
    answer: c.text('answer', nullable),
  },
  indices: { ix_delivery_attempts_delivery: ['deliveryId'] },
  foreignKeys: { fk_delivery_attempts_delivery: [['deliveryId'], 'deliveries', ['id'], 'CASCADE'] },
}))
