import { nullable } from './columns.js'
import { createTable } from './create.js'

export class Sessions1790000000005 extends createTable('sessions', (c) => ({
  columns: [
    c.id(),
    c.ref('tenant_id'),
    c.word('name', 40),
    // The name while the session exists; null once it is deleted, which frees the name and keeps the row for its messages.
    c.word('live_name', 40, nullable),
    c.word('engine', 16),
    c.ref('node_id'),
    // What was asked for last: running, stopped, logged_out or deleted.
    c.word('wanted', 16),
    c.word('status', 16),
    c.word('reason', 64, nullable),
    c.text('detail', nullable),
    c.word('phone', 32, nullable),
    c.word('lid', 64, nullable),
    c.line('push_name', 255, nullable),
    c.json('pacing'),
    c.json('sandbox', nullable),
    c.json('metadata', nullable),
    // Of the newest event of this session.
    c.big('sequence'),
    c.time('changed_at'),
    c.time('connected_at', nullable),
    c.time('created_at'),
    c.time('deleted_at', nullable),
  ],
  uniques: { uq_sessions_name: ['tenant_id', 'live_name'] },
  indices: { ix_sessions_node: ['node_id', 'wanted'], ix_sessions_tenant: ['tenant_id', 'id'] },
  foreignKeys: { fk_sessions_tenant: [['tenant_id'], 'tenants', ['id'], 'NO ACTION'] },
})) {
  name = 'Sessions1790000000005'
}
