import { nullable } from './columns.js'
import { createTable } from './create.js'

export class Messages1790000000006 extends createTable('messages', (c) => ({
  columns: [
    c.id(),
    c.ref('tenant_id'),
    c.ref('session_id'),
    c.word('direction', 8),
    c.word('origin', 16),
    // Who of the operators sent it from Telegram.
    c.word('operator', 64, nullable),
    c.line('chat_id', 128),
    c.line('from_id', 128, nullable),
    c.line('from_phone', 32, nullable),
    c.line('from_lid', 64, nullable),
    c.line('from_name', 255, nullable),
    c.line('to_id', 128, nullable),
    c.word('type', 16),
    c.json('content'),
    c.json('mentions', nullable),
    // The quoted message: ours, when there is a row, and its WhatsApp id.
    c.ref('reply_to', nullable),
    c.line('reply_to_wa_id', 128, nullable),
    c.line('reference', 255, nullable),
    c.word('status', 16),
    c.word('reason', 64, nullable),
    c.text('error', nullable),
    c.line('wa_message_id', 128),
    // The order of hand-over, and of lists: given in the transaction that stores the row.
    c.big('position'),
    c.word('on_unknown', 8),
    c.word('next_action', 32, nullable),
    c.ms('next_action_at', nullable),
    // The session it waits for, until the node has taken it on: the queue of hand-over.
    c.ref('awaiting', nullable),
    // The node may have it, even if it never said so.
    c.bool('offered'),
    // Of the event log of the node that took it on.
    c.word('epoch', 64, nullable),
    c.time('handed_over_at', nullable),
    c.time('sent_at', nullable),
    c.time('delivered_at', nullable),
    c.time('read_at', nullable),
    c.time('played_at', nullable),
    c.time('edited_at', nullable),
    c.time('deleted_at', nullable),
    c.time('expires_at', nullable),
    c.time('created_at'),
  ],
  // By direction too: a contact chooses the ids of what it sends, and must not be able to hide behind one of ours.
  uniques: { uq_messages_wa_id: ['session_id', 'direction', 'wa_message_id'] },
  indices: {
    ix_messages_tenant: ['tenant_id', 'position'],
    ix_messages_session: ['session_id', 'position'],
    ix_messages_chat: ['session_id', 'chat_id', 'position'],
    ix_messages_status: ['status', 'direction', 'session_id', 'position'],
    ix_messages_awaiting: ['awaiting', 'position'],
    ix_messages_next_action: ['next_action_at'],
  },
  foreignKeys: {
    fk_messages_tenant: [['tenant_id'], 'tenants', ['id'], 'NO ACTION'],
    fk_messages_session: [['session_id'], 'sessions', ['id'], 'NO ACTION'],
  },
})) {
  name = 'Messages1790000000006'
}
