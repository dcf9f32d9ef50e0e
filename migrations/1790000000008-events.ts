import { nullable } from './columns.js'
import { createTable } from './create.js'

export class Events1790000000008 extends createTable('events', (c) => ({
  columns: [
    c.id(),
    c.ref('tenant_id'),
    c.ref('session_id', nullable),
    // Where it came from; an event of the gateway's own has neither node nor epoch nor position.
    c.ref('node_id', nullable),
    c.word('epoch', 64, nullable),
    c.big('position', nullable),
    // Per session, without gaps.
    c.big('sequence', nullable),
    // One order over all, given in the transaction that stores the row: what readers follow by cursor.
    c.big('place'),
    c.word('type', 64),
    c.json('body'),
    c.time('at'),
    c.time('created_at'),
  ],
  uniques: {
    uq_events_origin: ['node_id', 'epoch', 'position'],
    uq_events_place: ['place'],
    uq_events_sequence: ['session_id', 'sequence'],
  },
  indices: { ix_events_tenant: ['tenant_id', 'place'] },
  foreignKeys: { fk_events_tenant: [['tenant_id'], 'tenants', ['id'], 'NO ACTION'] },
})) {
  name = 'Events1790000000008'
}
