/** What a message is for the gateway, and the rules of its status. No I/O. */
import {
  type Content,
  type Media,
  mediaOf,
  type MessageId,
  type MessageStatus,
  type Origin,
  type SessionId,
  type TenantId,
} from '../../proto/contract.js'

export type Direction = 'in' | 'out'
export type MediaId = `med_${string}`

/** A file as a message row keeps it: known to the gateway by its own id. */
export interface StoredMedia extends Media {
  /** Absent when there is no file (`missing` says why). */
  id?: MediaId
}

type Replace<C> = C extends { type: 'image' | 'video' | 'audio' | 'voice' | 'document' | 'sticker' }
  ? { [K in keyof C]: C[K] extends Media ? StoredMedia : C[K] }
  : C extends { type: 'reaction' }
    ? { type: 'reaction'; reaction: { waMessageId: string; emoji: string; messageId?: MessageId } }
    : C
/** What a message says, with the gateway's own ids beside WhatsApp's. A `Content` where a node is spoken to. */
export type StoredContent = Replace<Content>

/** One line of a message's history. */
export interface StatusChange {
  messageId: MessageId
  status: MessageStatus
  reason?: string
  /** ms since the epoch. */
  at: number
}

/** All times in ms since the epoch. Chat ids end in @c.us, @g.us, @lid or @newsletter; phones are digits. */
export interface Message {
  id: MessageId
  tenantId: TenantId
  sessionId: SessionId
  direction: Direction
  origin: Origin
  chatId: string
  toId?: string
  fromId?: string
  fromPhone?: string
  fromLid?: string
  fromName?: string
  content: StoredContent
  mentions: string[]
  replyTo?: MessageId
  /** Inner WhatsApp id of the quoted message. */
  replyToWaId?: string
  reference?: string
  onUnknown: 'resend' | 'hold'
  status: MessageStatus
  reason?: string
  error?: string
  waMessageId: string
  /** Of the request that it was made by. */
  traceId?: string
  /** Not yet taken on by the node. */
  awaiting: boolean
  /** The node may have it, even if it never said so. */
  offered: boolean
  /** Of the event log of the node that took it on. */
  epoch?: string
  handedOverAt?: number
  createdAt: number
  sentAt?: number
  deliveredAt?: number
  readAt?: number
  playedAt?: number
  expiresAt?: number
  editedAt?: number
  deletedAt?: number
}

const acks = ['sent', 'delivered', 'read', 'played'] as const
type Ack = (typeof acks)[number]

const isAck = (status: MessageStatus): status is Ack => (acks as readonly string[]).includes(status)

/** Sent, or certainly not: nothing more is being done about the sending. */
export function isSettled(status: MessageStatus): boolean {
  return status === 'failed' || isAck(status)
}

/** Not sent yet, or perhaps not. */
export function isOpen(status: MessageStatus): boolean {
  return status === 'pending' || status === 'unknown'
}

/** Nobody but a person can tell what is to become of it. */
export function waitsForPerson({ status, reason }: Pick<Message, 'status' | 'reason'>): boolean {
  return status === 'unknown' && (reason === 'held' || reason === 'node_lost')
}

/**
 * Whether news may change a status. Acks only move forward; `failed` is certain, except that WhatsApp knows better: an
 * ack that comes afterwards wins. `pending` to `pending` tells a new reason for waiting.
 */
export function mayMove(from: MessageStatus, to: MessageStatus): boolean {
  if (isAck(to)) return !isAck(from) || acks.indexOf(to) > acks.indexOf(from)
  if (isAck(from) || from === 'failed') return false
  if (to === 'pending') return from === 'pending' || from === 'unknown'
  return true
}

export interface StatusNews {
  status: MessageStatus
  reason?: string | undefined
  error?: string | undefined
  at: number
}

/** The message after news that may change it; null when the news is old. */
export function moved(message: Message, news: StatusNews): Message | null {
  if (!mayMove(message.status, news.status)) return null
  if (message.status === news.status && message.reason === news.reason && message.error === news.error) return null
  const { reason: _, error: __, ...rest } = message
  const next: Message = { ...rest, status: news.status }
  if (news.reason) next.reason = news.reason
  if (news.error) next.error = news.error
  if (isAck(news.status)) {
    next.sentAt ??= news.at
    // An ack that tells of reading tells of delivery, too.
    if (news.status !== 'sent') next.deliveredAt ??= news.at
    if (news.status === 'read' || news.status === 'played') next.readAt ??= news.at
    if (news.status === 'played') next.playedAt ??= news.at
  }
  // News of a message means that the node has it.
  next.awaiting = false
  return next
}

/** What a node is told: the same without the gateway's own ids. */
export function contentForNode(content: StoredContent): Content {
  switch (content.type) {
    case 'reaction': {
      const { waMessageId, emoji } = content.reaction
      return { type: 'reaction', reaction: { waMessageId, emoji } }
    }
    case 'image':
    case 'video':
    case 'audio':
    case 'voice':
    case 'document':
    case 'sticker': {
      const { id: _, ...media } = storedMediaOf(content) as StoredMedia
      return { type: content.type, [content.type]: media } as unknown as Content
    }
    default:
      return content
  }
}

/** The file of a content, if it has one. */
export const storedMediaOf = (content: StoredContent) => mediaOf<StoredMedia>(content)

/** The same content around another file. */
export function withMedia(content: StoredContent, media: StoredMedia): StoredContent {
  return storedMediaOf(content) ? ({ type: content.type, [content.type]: media } as unknown as StoredContent) : content
}
