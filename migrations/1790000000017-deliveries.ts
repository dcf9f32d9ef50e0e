import { nullable } from './columns.js'
import { createTable } from './create.js'

// No foreign keys: each insert would lock the webhook's row, which is changed while deliveries are made.
export class Deliveries1790000000017 extends createTable('deliveries', (c) => ({
  columns: [
    c.id(),
    c.ref('tenant_id'),
    c.ref('webhook_id'),
    c.ref('event_id'),
    c.word('event_type', 64),
    c.ref('session_id', nullable),
    // Of the event: unique, and the order of deliveries.
    c.big('place'),
    c.word('status', 16),
    c.integer('attempts'),
    // Null when nothing is to come.
    c.ms('due_at', nullable),
    c.time('created_at'),
    c.ms('ended_at', nullable),
  ],
  uniques: { uq_deliveries_event: ['webhook_id', 'place'] },
  indices: {
    ix_deliveries_due: ['webhook_id', 'status', 'due_at', 'place'],
    ix_deliveries_status: ['webhook_id', 'status', 'place'],
    ix_deliveries_ended: ['ended_at'],
  },
})) {
  name = 'Deliveries1790000000017'
}
