import { nullable } from './columns.js'
import { createTable } from './create.js'

export class MessageHistory1790000000007 extends createTable('message_history', (c) => ({
  columns: [
    c.id(),
    c.ref('tenant_id'),
    c.ref('message_id'),
    c.word('status', 16),
    c.word('reason', 64, nullable),
    c.time('at'),
  ],
  indices: { ix_message_history_message: ['message_id', 'id'] },
  foreignKeys: { fk_message_history_message: [['message_id'], 'messages', ['id'], 'CASCADE'] },
})) {
  name = 'MessageHistory1790000000007'
}
