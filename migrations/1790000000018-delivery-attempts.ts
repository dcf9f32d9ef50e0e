import { nullable } from './columns.js'
import { createTable } from './create.js'

export class DeliveryAttempts1790000000018 extends createTable('delivery_attempts', (c) => ({
  columns: [
    c.id(),
    c.ref('delivery_id'),
    c.time('at'),
    // What the receiver answered, or the word for why it did not.
    c.integer('status', nullable),
    c.word('error', 64, nullable),
    c.integer('duration_ms'),
    c.text('answer', nullable),
  ],
  indices: { ix_delivery_attempts_delivery: ['delivery_id'] },
  foreignKeys: { fk_delivery_attempts_delivery: [['delivery_id'], 'deliveries', ['id'], 'CASCADE'] },
})) {
  name = 'DeliveryAttempts1790000000018'
}
