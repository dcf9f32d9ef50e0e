/** The public shape of a message. Fields are added here on purpose, never by accident. */
import { explain } from '../../proto/reasons.js'
import { defined } from '../../runtime/defined.js'
import type { ShownMessage } from '../events/catalogue/shown-message.js'
import {
  type Message,
  type StatusChange,
  type StoredContent,
  type StoredMedia,
  storedMediaOf,
  waitsForPerson,
} from './message.js'
import type { ShownChange } from './message-operations.js'
import { shownChat } from '../../proto/recipient.js'

export interface PresentContext {
  sessionName: string
  /** Whether the node of its session can be spoken to. */
  nodePresent: boolean
  /** Of a tenant whose messages wait. */
  suspended: boolean
  /** Its file is on the node only; why it stays there, or null while it is only on its way. */
  mediaPending: string | null | undefined
  /** Where a file of ours can be fetched. */
  mediaUrl: (id: string) => string
}

const timeOf = (ms: number) => new Date(ms).toISOString()
const time = (ms: number | undefined) => (ms === undefined ? undefined : timeOf(ms))

export function presentMessage(message: Message, context: PresentContext): ShownMessage {
  const { type } = message.content
  return defined<ShownMessage>({
    id: message.id,
    session: { id: message.sessionId, name: context.sessionName },
    direction: message.direction,
    origin: message.origin,
    to: message.toId ? shownChat(message.toId) : undefined,
    from: message.fromPhone ? `+${message.fromPhone}` : message.fromId ? shownChat(message.fromId) : undefined,
    fromLid: message.fromLid,
    fromName: message.fromName,
    chatId: message.chatId,
    type,
    [type]: presentContent(message.content, context),
    replyTo: message.replyTo,
    replyToWaMessageId: message.replyToWaId,
    mentions: message.mentions.length > 0 ? message.mentions.map(shownChat) : undefined,
    reference: message.reference,
    status: message.status,
    ...waitingFor(message, context),
    waMessageId: message.waMessageId,
    createdAt: timeOf(message.createdAt),
    sentAt: time(message.sentAt),
    deliveredAt: time(message.deliveredAt),
    readAt: time(message.readAt),
    playedAt: time(message.playedAt),
    editedAt: time(message.editedAt),
    deletedAt: time(message.deletedAt),
    expiresAt: time(message.expiresAt),
  })
}

export function presentHistory(message: Message, changes: readonly StatusChange[]): ShownChange[] {
  // Each row began somewhere; that much it says itself.
  const first = message.direction === 'in' ? 'delivered' : message.origin === 'phone' ? 'sent' : 'pending'
  return [
    { status: first, at: timeOf(message.createdAt) },
    ...changes.map(({ status, reason, at }) => defined({ status, reason, at: timeOf(at) })),
  ]
}

/** Nothing rests without a reason and a next action. */
function waitingFor(
  message: Message,
  { nodePresent, suspended }: PresentContext,
): Pick<ShownMessage, 'reason' | 'error' | 'nextAction'> {
  const { status, reason } = message
  const error = status === 'failed' ? (message.error ?? explain(reason ?? 'send_failed')) : message.error
  if (status === 'pending' && message.awaiting && suspended) {
    return { reason: 'tenant_suspended', error, nextAction: 'resume_tenant' }
  }
  if (status === 'pending' && message.awaiting) {
    return { reason: nodePresent ? 'queued' : 'node_unreachable', error, nextAction: 'hand_over' }
  }
  if (status === 'pending') {
    return { reason: reason ?? (nodePresent ? 'waiting_to_send' : 'node_unreachable'), error, nextAction: 'send' }
  }
  if (status === 'unknown') {
    const nextAction = waitsForPerson(message) ? 'decide' : 'reconcile'
    return { reason: reason ?? 'outcome_unknown', error, nextAction }
  }
  return { reason, error, nextAction: undefined }
}

function presentContent(content: StoredContent, context: PresentContext): unknown {
  const media = storedMediaOf(content)
  if (media) return presentMedia(media, context)
  switch (content.type) {
    case 'contacts':
      return content.contacts
    case 'reaction': {
      const { messageId, emoji } = content.reaction
      return defined({ messageId, emoji })
    }
    default:
      return (content as Record<string, unknown>)[content.type]
  }
}

function presentMedia(media: StoredMedia, { mediaUrl, mediaPending }: PresentContext) {
  const { id, mimetype, size, sha256, filename, caption, missing, seconds } = media
  return defined({
    id,
    url: id ? mediaUrl(id) : undefined,
    mimetype,
    size: missing ? undefined : size,
    sha256: sha256 || undefined,
    filename,
    caption,
    seconds,
    missing,
    pending: mediaPending === undefined ? undefined : true,
    pendingReason: mediaPending ?? undefined,
  })
}
