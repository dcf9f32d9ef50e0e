import type { Ack, Content, MessageView, Reaction, Vote } from './types.js'
import type { Account } from './accounts.js'
import { isGroup } from './ids.js'

/** How far a message has come with one recipient. */
export type Receipt = 2 | 3 | 4

/** A message as WhatsApp keeps it. `chat` is the group, or the person it was sent to. */
export interface Message extends Content {
  id: string
  from: string
  chat: string
  name: string
  at: number
  /** Ids of all who get it, without the sender. */
  recipients: string[]
  receipts: Map<string, Receipt>
  /** Never acknowledged to its sender, as a fault demanded. */
  silent: boolean
  editedAt?: number
  revokedAt?: number
  reactions: Reaction[]
  votes: Vote[]
}

/** The same message in the same chat of the same sender is one, however often it was handed over. */
export function identityOf({ from, chat, id }: Pick<Message, 'from' | 'chat' | 'id'>): string {
  return `${from} ${chat} ${id}`
}

/** The chat in which this person finds the message. */
export function chatFor(message: Pick<Message, 'from' | 'chat'>, viewer: string): string {
  return isGroup(message.chat) || message.from === viewer ? message.chat : message.from
}

/** What the sender is told: as far as the slowest recipient. A note to oneself counts as read. */
export function ackOf(message: Message): Ack {
  if (message.silent) return 0
  if (message.recipients.length === 0) return 3
  return Math.min(...message.recipients.map((id) => message.receipts.get(id) ?? 1)) as Ack
}

export function viewOf(message: Message, viewer: Account): MessageView {
  const fromMe = message.from === viewer.id
  const { recipients: _recipients, receipts: _receipts, silent: _silent, ...kept } = message
  const revoked = { type: message.type, body: undefined, media: undefined, quoted: undefined, mentions: undefined }
  return {
    ...kept,
    ...(message.revokedAt !== undefined && revoked),
    chat: chatFor(message, viewer.id),
    fromMe,
    ack: fromMe ? ackOf(message) : 1,
  }
}
