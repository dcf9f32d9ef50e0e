/** Makes a message from what a caller asked for: numbers, ids and files become what a node can send. */
import type { Media, MediaType, MessageId, TenantId } from '../../proto/contract.js'
import { mediaTypes } from '../../proto/contract.js'
import { waMessageId } from '../../proto/wa-message-id.js'
import { AppError } from '../../runtime/app-error.js'
import type { Clock } from '../../runtime/clock.js'
import { isId, newId } from '../../runtime/ids.js'
import type { Session } from '../sessions/session.js'
import type { Message, StoredContent, StoredMedia } from './message.js'
import type { MediaSource, MessageRequest } from './message-request.js'
import { parseRecipient, phoneDigits } from '../../proto/recipient.js'

export interface DraftContext {
  clock: Clock
  time: Clock
  findMessage: (tenantId: TenantId, id: MessageId) => Promise<Message | null>
  /** Fetches and checks a file, and keeps it. */
  keepMedia: (session: Session, kind: MediaType, source: MediaSource) => Promise<StoredMedia>
}

/** Throws `invalid` (`invalid_number`, `message_not_found`) and what keeping a file throws. */
export async function draftMessage(session: Session, request: MessageRequest, context: DraftContext): Promise<Message> {
  const mentions = request.mentions.map((mention) => parseRecipient(mention).chatId)
  const given = request.to === undefined ? undefined : parseRecipient(request.to).chatId
  const target = request.type === 'reaction' ? request.reaction.messageId : undefined
  const [quoted, reactedTo] = await Promise.all([
    request.replyTo === undefined ? undefined : getTarget(session, request.replyTo, context),
    target === undefined ? undefined : getTarget(session, target, context),
  ])
  const chatId = given ?? reactedTo?.chatId
  if (!chatId) throw new AppError('invalid', 'to: is missing', { reason: 'invalid_request' })
  const content = await contentOf(session, request, reactedTo, context)
  const id = newId('msg')
  const createdAt = context.clock()
  return {
    id,
    tenantId: session.tenantId,
    sessionId: session.id,
    direction: 'out',
    origin: 'api',
    chatId,
    toId: chatId,
    ...(session.phone ? { fromId: `${session.phone}@c.us`, fromPhone: session.phone } : {}),
    content,
    mentions,
    ...(quoted ? { replyTo: quoted.id, replyToWaId: quoted.waMessageId } : {}),
    ...(request.reference === undefined ? {} : { reference: request.reference }),
    onUnknown: request.onUnknown,
    status: 'pending',
    waMessageId: waMessageId(id),
    awaiting: true,
    offered: false,
    createdAt,
    expiresAt: context.time() + request.expiresInSeconds * 1_000,
  }
}

/** Whether a file has to be fetched or unpacked before the message can be stored. */
export function needsFetching(request: MessageRequest): boolean {
  const source = mediaSourceOf(request)
  return source !== undefined && !('id' in source)
}

async function contentOf(
  session: Session,
  request: MessageRequest,
  reactedTo: Message | undefined,
  { keepMedia }: DraftContext,
): Promise<StoredContent> {
  switch (request.type) {
    case 'text':
      return { type: 'text', text: request.text }
    case 'location': {
      const { name, address, ...point } = request.location
      return {
        type: 'location',
        location: { ...point, ...(name ? { name } : {}), ...(address ? { address } : {}) },
      }
    }
    case 'contacts': {
      const contacts = request.contacts.map(({ name, phones, vcard }) => ({
        name,
        phones: phones.map((phone) => `+${phoneDigits(phone)}`),
        ...(vcard ? { vcard } : {}),
      }))
      return { type: 'contacts', contacts }
    }
    case 'poll':
      return { type: 'poll', poll: request.poll }
    case 'reaction': {
      const { id, waMessageId } = reactedTo as Message
      return { type: 'reaction', reaction: { messageId: id, waMessageId, emoji: request.reaction.emoji } }
    }
    default: {
      const source = mediaSourceOf(request) as MediaSource
      const { caption, filename } = source
      const kept = await keepMedia(session, request.type, source)
      const media: StoredMedia = { ...kept, ...(caption ? { caption } : {}), ...(filename ? { filename } : {}) }
      return { type: request.type, [request.type]: media satisfies Media } as unknown as StoredContent
    }
  }
}

function mediaSourceOf(request: MessageRequest): MediaSource | undefined {
  const type = mediaTypes.find((candidate) => candidate === request.type)
  return (request as unknown as Record<string, MediaSource | undefined>)[type ?? '']
}

async function getTarget(session: Session, id: string, { findMessage }: DraftContext): Promise<Message> {
  const message = isId('msg', id) ? await findMessage(session.tenantId, id) : null
  // A message of another session is in a chat that this one does not see.
  if (message?.sessionId === session.id) return message
  throw new AppError('unprocessable', `This session has no message ${id.slice(0, 40)}.`, {
    reason: 'message_not_found',
  })
}
