import type { Message } from './message.js'
import type { MessageRow } from './message-table.js'

/** What may differ once a message is stored. */
const changeable = [
  'status',
  'reason',
  'error',
  'content',
  'type',
  'awaiting',
  'epoch',
  'handedOverAt',
  'sentAt',
  'deliveredAt',
  'readAt',
  'playedAt',
  'editedAt',
  'deletedAt',
  'expiresAt',
] as const satisfies (keyof MessageRow)[]

/** The fields in which any of these rows differ. */
export function changedFields(pairs: readonly { before: MessageRow; after: MessageRow }[]): (keyof MessageRow)[] {
  return changeable.filter((field) => pairs.some(({ before, after }) => plain(before[field]) !== plain(after[field])))
}

function plain(value: unknown): unknown {
  if (value instanceof Date) return value.getTime()
  return typeof value === 'object' && value !== null ? JSON.stringify(value) : value
}

const date = (ms: number | undefined) => (ms === undefined ? null : new Date(ms))

export function messageToRow(message: Message, position: number): MessageRow {
  return {
    id: message.id,
    tenantId: message.tenantId,
    sessionId: message.sessionId,
    direction: message.direction,
    origin: message.origin,
    chatId: message.chatId,
    fromId: message.fromId ?? null,
    fromPhone: message.fromPhone ?? null,
    fromLid: message.fromLid ?? null,
    fromName: message.fromName ?? null,
    toId: message.toId ?? null,
    type: message.content.type,
    content: message.content,
    mentions: message.mentions.length > 0 ? message.mentions : null,
    replyTo: message.replyTo ?? null,
    replyToWaId: message.replyToWaId ?? null,
    reference: message.reference ?? null,
    status: message.status,
    reason: message.reason ?? null,
    error: message.error ?? null,
    waMessageId: message.waMessageId,
    position,
    onUnknown: message.onUnknown,
    awaiting: message.awaiting ? message.sessionId : null,
    offered: message.offered,
    epoch: message.epoch ?? null,
    handedOverAt: date(message.handedOverAt),
    sentAt: date(message.sentAt),
    deliveredAt: date(message.deliveredAt),
    readAt: date(message.readAt),
    playedAt: date(message.playedAt),
    editedAt: date(message.editedAt),
    deletedAt: date(message.deletedAt),
    expiresAt: date(message.expiresAt),
    createdAt: new Date(message.createdAt),
    traceId: message.traceId ?? null,
  }
}

/** Drops what is null. */
function known<T extends object>(fields: T): { [K in keyof T]?: NonNullable<T[K]> } {
  const kept: Partial<T> = {}
  for (const key of Object.keys(fields) as (keyof T)[]) if (fields[key] !== null) kept[key] = fields[key]
  return kept as { [K in keyof T]?: NonNullable<T[K]> }
}

export function rowToMessage(row: MessageRow): Message {
  const { fromId, fromPhone, fromLid, fromName, toId, replyTo, replyToWaId, reference, reason, error, epoch, traceId } =
    row
  return {
    id: row.id,
    tenantId: row.tenantId,
    sessionId: row.sessionId,
    direction: row.direction,
    origin: row.origin,
    chatId: row.chatId,
    content: row.content,
    mentions: row.mentions ?? [],
    onUnknown: row.onUnknown,
    status: row.status,
    waMessageId: row.waMessageId,
    awaiting: row.awaiting !== null,
    offered: row.offered,
    createdAt: row.createdAt.getTime(),
    ...known({
      fromId,
      fromPhone,
      fromLid,
      fromName,
      toId,
      replyTo,
      replyToWaId,
      reference,
      reason,
      error,
      epoch,
      traceId,
    }),
    ...known({
      handedOverAt: row.handedOverAt?.getTime() ?? null,
      sentAt: row.sentAt?.getTime() ?? null,
      deliveredAt: row.deliveredAt?.getTime() ?? null,
      readAt: row.readAt?.getTime() ?? null,
      playedAt: row.playedAt?.getTime() ?? null,
      editedAt: row.editedAt?.getTime() ?? null,
      deletedAt: row.deletedAt?.getTime() ?? null,
      expiresAt: row.expiresAt?.getTime() ?? null,
    }),
  }
}
