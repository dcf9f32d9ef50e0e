import { nullable } from './columns.js'
import { createTable } from './create.js'

/** How far each node's event log is stored, and which gateway follows it. No tenant: nodes belong to the operator. */
export class NodeCursors1790000000009 extends createTable('node_cursors', (c) => ({
  columns: [
    c.id('node_id'),
    c.word('epoch', 64),
    c.big('position'),
    // Grows with each change of the following gateway.
    c.big('fence'),
    c.word('holder', 64, nullable),
    c.ms('lease_until', nullable),
    c.ms('heard_at', nullable),
  ],
})) {
  name = 'NodeCursors1790000000009'
}
