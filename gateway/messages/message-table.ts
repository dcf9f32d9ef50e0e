import type { MessageId, MessageStatus, Origin, SessionId, TenantId } from '../../proto/contract.js'
import { nullable, Table } from '../db/table.js'
import type { Direction, StoredContent } from './message.js'

export interface MessageRow {
  id: MessageId
  tenantId: TenantId
  sessionId: SessionId
  direction: Direction
  origin: Origin
  chatId: string
  fromId: string | null
  fromPhone: string | null
  fromLid: string | null
  fromName: string | null
  toId: string | null
  type: StoredContent['type']
  content: StoredContent
  mentions: string[] | null
  replyTo: MessageId | null
  replyToWaId: string | null
  reference: string | null
  status: MessageStatus
  reason: string | null
  error: string | null
  waMessageId: string
  position: number
  onUnknown: 'resend' | 'hold'
  awaiting: SessionId | null
  offered: boolean
  epoch: string | null
  handedOverAt: Date | null
  sentAt: Date | null
  deliveredAt: Date | null
  readAt: Date | null
  playedAt: Date | null
  editedAt: Date | null
  deletedAt: Date | null
  expiresAt: Date | null
  createdAt: Date
  traceId: string | null
}

export const messageTable = new Table<MessageRow>('messages', (c) => ({
  columns: {
    id: c.id(),
    tenantId: c.ref('tenant_id'),
    sessionId: c.ref('session_id'),
    direction: c.word('direction', 8),
    origin: c.word('origin', 16),
    chatId: c.line('chat_id', 128),
    fromId: c.line('from_id', 128, nullable),
    fromPhone: c.line('from_phone', 32, nullable),
    fromLid: c.line('from_lid', 64, nullable),
    fromName: c.line('from_name', 255, nullable),
    toId: c.line('to_id', 128, nullable),
    type: c.word('type', 16),
    content: c.json('content'),
    mentions: c.json('mentions', nullable),
    replyTo: c.ref('reply_to', nullable),
    replyToWaId: c.line('reply_to_wa_id', 128, nullable),
    reference: c.line('reference', 255, nullable),
    status: c.word('status', 16),
    reason: c.word('reason', 64, nullable),
    error: c.text('error', nullable),
    waMessageId: c.line('wa_message_id', 128),
    position: c.big('position'),
    onUnknown: c.word('on_unknown', 8),
    awaiting: c.ref('awaiting', nullable),
    offered: c.bool('offered'),
    epoch: c.word('epoch', 64, nullable),
    handedOverAt: c.time('handed_over_at', nullable),
    sentAt: c.time('sent_at', nullable),
    deliveredAt: c.time('delivered_at', nullable),
    readAt: c.time('read_at', nullable),
    playedAt: c.time('played_at', nullable),
    editedAt: c.time('edited_at', nullable),
    deletedAt: c.time('deleted_at', nullable),
    expiresAt: c.time('expires_at', nullable),
    createdAt: c.time('created_at'),
    traceId: c.word('trace_id', 32, nullable),
  },
  uniques: { uq_messages_wa_id: ['sessionId', 'direction', 'waMessageId'] },
  indices: {
    ix_messages_tenant: ['tenantId', 'position'],
    ix_messages_session: ['sessionId', 'position'],
    ix_messages_chat: ['sessionId', 'chatId', 'position'],
    ix_messages_status: ['status', 'direction', 'sessionId', 'position'],
    ix_messages_awaiting: ['awaiting', 'position'],
  },
  foreignKeys: {
    fk_messages_tenant: [['tenantId'], 'tenants', ['id'], 'NO ACTION'],
    fk_messages_session: [['sessionId'], 'sessions', ['id'], 'NO ACTION'],
  },
}))

export interface MessageHistoryRow {
  id: string
  tenantId: TenantId
  messageId: MessageId
  status: MessageStatus
  reason: string | null
  at: Date
}

export const messageHistoryTable = new Table<MessageHistoryRow>('message_history', (c) => ({
  columns: {
    id: c.id(),
    tenantId: c.ref('tenant_id'),
    messageId: c.ref('message_id'),
    status: c.word('status', 16),
    reason: c.word('reason', 64, nullable),
    at: c.time('at'),
  },
  indices: { ix_message_history_message: ['messageId', 'id'] },
  foreignKeys: { fk_message_history_message: [['messageId'], 'messages', ['id'], 'CASCADE'] },
}))
