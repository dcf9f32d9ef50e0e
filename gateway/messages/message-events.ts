/**
 * What the events of a node mean for messages: new rows, statuses, edits. Works on what was loaded beforehand and
 * remembers what has to be written, so that a batch of events costs a handful of statements. No I/O.
 */
import type { EventBody, MessageId, NodeEvent, NodeId, SessionId } from '../../proto/contract.js'
import { mediaOf } from '../../proto/contract.js'
import { newId } from '../../runtime/ids.js'
import type { EventType, NewEvent } from '../events/event.js'
import type { NodeFile } from '../media/media-repository.js'
import {
  type Direction,
  isOpen,
  type Message,
  moved,
  type StatusChange,
  type StatusNews,
  type StoredContent,
  withMedia,
} from './message.js'
import type { MessageChange, WaKey } from './message-repository.js'
import { shownChat } from '../../proto/recipient.js'

type Body<Kind extends EventBody['kind']> = Extract<EventBody, { kind: Kind }>

/** What the tenant is told; null when it was known before. */
export interface Told {
  type: EventType
  data: Record<string, unknown> & { messageId?: MessageId }
}

/** The rows that the events of a batch talk about. */
export function messagesMeant(events: readonly NodeEvent[]): { ids: MessageId[]; keys: WaKey[] } {
  const ids = new Set<MessageId>()
  const keys = new Map<string, WaKey>()
  const either = (sessionId: SessionId, waMessageId: string | undefined) => {
    if (!waMessageId) return
    for (const direction of ['in', 'out'] as const) {
      keys.set(keyOf(sessionId, direction, waMessageId), { sessionId, direction, waMessageId })
    }
  }
  for (const { sessionId, body } of events) {
    switch (body.kind) {
      case 'message_queued':
        ids.add(body.message.id)
        either(sessionId, body.message.replyTo)
        break
      case 'message_status':
        if (body.messageId) ids.add(body.messageId)
        else either(sessionId, body.waMessageId)
        break
      case 'message_received':
        either(sessionId, body.waMessageId)
        either(sessionId, body.replyTo)
        break
      case 'message_edited':
      case 'message_deleted':
      case 'message_reaction':
      case 'poll_vote':
        either(sessionId, body.waMessageId)
        break
      default:
    }
  }
  return { ids: [...ids], keys: [...keys.values()] }
}

/** The event of a status that the gateway itself came to know. */
export function statusEvent(message: Message, at: number): NewEvent {
  const { id: messageId, tenantId, sessionId, status } = message
  return { id: newId('evt'), tenantId, sessionId, type: `message.${status}`, data: statusData(message, messageId), at }
}

function statusData(message: Message, messageId: MessageId) {
  const { chatId, waMessageId, toId, status, reason, error, reference } = message
  const to = toId ? shownChat(toId) : undefined
  return { messageId, ...present({ chatId, waMessageId, to, status, reason, error, reference }) }
}

export class MessageBatch {
  readonly history: (StatusChange & Pick<Message, 'tenantId'>)[] = []
  readonly files: NodeFile[] = []
  private readonly byId = new Map<MessageId, Message>()
  private readonly byKey = new Map<string, MessageId>()
  private readonly fresh = new Set<MessageId>()
  private readonly before = new Map<MessageId, Message>()

  constructor(
    loaded: readonly Message[],
    /** Whose events these are. */
    private readonly nodeId?: NodeId,
  ) {
    for (const message of loaded) this.know(message)
  }

  /** What a session has not finished sending: of these rows, and of what this batch knows already. */
  openOf(sessionId: SessionId, loaded: readonly Message[]): Message[] {
    for (const message of loaded) if (!this.byId.has(message.id)) this.know(message)
    return [...this.byId.values()].filter(
      (message) => message.sessionId === sessionId && message.direction === 'out' && isOpen(message.status),
    )
  }

  /** New rows, in their order. */
  added(): Message[] {
    return [...this.fresh].map((id) => this.byId.get(id) as Message)
  }

  /** Rows that were there and are different now. */
  changes(): MessageChange[] {
    return [...this.before].map(([id, before]) => ({ before, after: this.byId.get(id) as Message }))
  }

  /** Every message that is new or different. */
  touched(): Message[] {
    return [...this.added(), ...this.changes().map(({ after }) => after)]
  }

  /** To be handed over once more: what may have gone out is looked for before it is sent. */
  handOverAgain(id: MessageId): void {
    const known = this.byId.get(id)
    if (known) this.replace({ ...known, awaiting: true })
  }

  apply(event: NodeEvent): Told | null {
    const { body } = event
    switch (body.kind) {
      case 'message_queued':
        return this.queued(event, body)
      case 'message_status':
        return this.status(event, body)
      case 'message_received':
        return this.received(event, body)
      case 'message_edited':
        return this.edited(event, body)
      case 'message_deleted':
        return this.deleted(event, body)
      case 'message_reaction': {
        const { emoji } = body
        return { type: 'message.reaction', data: { ...this.about(event, body), ...byWhom(body), emoji } }
      }
      case 'poll_vote': {
        const { options } = body
        return { type: 'poll.vote', data: { ...this.about(event, body), ...byWhom(body), options } }
      }
      case 'group': {
        const { change, chatId, by, participants, what } = body
        const who = participants.map(shownChat)
        return {
          type: `group.${change}`,
          data: { chatId, ...(by ? { by: shownChat(by) } : {}), participants: who, ...(what ? { what } : {}) },
        }
      }
      case 'call': {
        const { callId, video, group } = body
        return { type: 'call.received', data: { callId, ...byWhom(body), video, group } }
      }
      case 'session_status':
        return null
    }
  }

  /** A new status that no event of this batch tells of. */
  move(message: Message, news: StatusNews): Message | null {
    const next = moved(message, news)
    if (!next) return null
    this.replace(next)
    const { id: messageId, tenantId, status, reason } = next
    this.history.push({ messageId, tenantId, status, ...(reason ? { reason } : {}), at: news.at })
    return next
  }

  private queued(event: NodeEvent, { message }: Body<'message_queued'>): Told | null {
    if (this.byId.has(message.id)) return null
    const { id, waMessageId, to, content, replyTo, mentions, expiresInMs, origin, onUnknown } = message
    const quoted = this.find(event.sessionId, replyTo)
    const row: Message = {
      id,
      tenantId: event.tenantId,
      sessionId: event.sessionId,
      direction: 'out',
      origin,
      chatId: to,
      toId: to,
      content: content as StoredContent,
      mentions,
      ...(quoted ? { replyTo: quoted.id } : {}),
      ...(replyTo ? { replyToWaId: replyTo } : {}),
      onUnknown,
      status: 'pending',
      waMessageId,
      awaiting: false,
      offered: true,
      epoch: event.epoch,
      handedOverAt: event.at,
      createdAt: event.at,
      expiresAt: event.at + expiresInMs,
    }
    return { type: 'message.queued', data: { messageId: id, message: this.add(this.withFile(row)) } }
  }

  private received(event: NodeEvent, body: Body<'message_received'>): Told | null {
    const direction: Direction = body.origin === 'phone' ? 'out' : 'in'
    if (this.byKey.has(keyOf(event.sessionId, direction, body.waMessageId))) return null
    const { waMessageId, chatId, from, to, fromPhone, fromLid, fromName, origin, content, replyTo, mentions } = body
    const quoted = this.find(event.sessionId, replyTo)
    const row: Message = {
      id: newId('msg'),
      tenantId: event.tenantId,
      sessionId: event.sessionId,
      direction,
      origin,
      chatId,
      ...(to ? { toId: to } : {}),
      ...(from ? { fromId: from } : {}),
      ...(fromPhone ? { fromPhone } : {}),
      ...(fromLid ? { fromLid } : {}),
      ...(fromName ? { fromName } : {}),
      content: content as StoredContent,
      mentions,
      ...(quoted ? { replyTo: quoted.id } : {}),
      ...(replyTo ? { replyToWaId: replyTo } : {}),
      onUnknown: 'hold',
      // It is with us, or with WhatsApp: nothing is left to do about its sending.
      status: direction === 'in' ? 'delivered' : 'sent',
      waMessageId,
      awaiting: false,
      offered: true,
      createdAt: event.at,
      sentAt: body.sentAt,
    }
    const stored = this.add(this.withFile(row))
    const type = direction === 'in' ? 'message.received' : 'message.sent'
    return { type, data: { messageId: row.id, message: stored } }
  }

  private status(event: NodeEvent, body: Body<'message_status'>): Told | null {
    const known = body.messageId ? this.byId.get(body.messageId) : this.find(event.sessionId, body.waMessageId, ['out'])
    const { status, reason, error } = body
    // Of the phone's own, or of a message that is not here any more: told, but there is nothing to change.
    if (!known || known.sessionId !== event.sessionId) {
      const { chatId, waMessageId } = body
      return { type: `message.${status}`, data: present({ chatId, waMessageId, status, reason, error }) }
    }
    const next = this.move(known, { status, reason, error, at: event.at })
    return next && { type: `message.${status}`, data: statusData(next, next.id) }
  }

  private edited(event: NodeEvent, body: Body<'message_edited'>): Told {
    const known = this.find(event.sessionId, body.waMessageId)
    if (known) this.replace({ ...known, content: withBody(known.content, body.body), editedAt: event.at })
    return { type: 'message.edited', data: { ...this.about(event, body), body: body.body } }
  }

  private deleted(event: NodeEvent, body: Body<'message_deleted'>): Told {
    const known = this.find(event.sessionId, body.waMessageId)
    if (known) this.replace({ ...known, deletedAt: event.at })
    return { type: 'message.deleted', data: this.about(event, body) }
  }

  private about({ sessionId }: NodeEvent, { waMessageId, chatId }: { waMessageId: string; chatId: string }) {
    const known = this.find(sessionId, waMessageId)
    return { ...(known ? { messageId: known.id } : {}), chatId, waMessageId }
  }

  /** The file of a message that came in, or that the bot sent, is on the node: the gateway will copy it. */
  private withFile(message: Message): Message {
    const media = mediaOf(message.content as Parameters<typeof mediaOf>[0])
    if (!media?.sha256 || media.missing || !this.nodeId) return message
    const id = newId('med')
    const { tenantId, sessionId, direction } = message
    this.files.push({ id, tenantId, sessionId, direction, media, nodeId: this.nodeId })
    return { ...message, content: withMedia(message.content, { ...media, id }) }
  }

  private find(sessionId: SessionId, waId: string | undefined, directions: Direction[] = ['in', 'out']) {
    if (!waId) return undefined
    const ids = directions.map((direction) => this.byKey.get(keyOf(sessionId, direction, waId)))
    const id = ids.find((candidate) => candidate !== undefined)
    return id && this.byId.get(id)
  }

  private add(message: Message): Message {
    this.fresh.add(message.id)
    this.know(message)
    return message
  }

  private know(message: Message): void {
    this.byId.set(message.id, message)
    this.byKey.set(keyOf(message.sessionId, message.direction, message.waMessageId), message.id)
  }

  private replace(next: Message): void {
    if (!this.fresh.has(next.id) && !this.before.has(next.id))
      this.before.set(next.id, this.byId.get(next.id) as Message)
    this.byId.set(next.id, next)
  }
}

const keyOf = (sessionId: SessionId, direction: Direction, waId: string) => `${sessionId} ${direction} ${waId}`

function present<T extends object>(fields: T): Partial<T> {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as Partial<T>
}

function byWhom({ from, fromPhone }: { from: string; fromPhone?: string }) {
  return { from: fromPhone ? `+${fromPhone}` : shownChat(from), fromId: from }
}

function withBody(content: StoredContent, body: string): StoredContent {
  if (content.type === 'text') return { type: 'text', text: { body } }
  const media = mediaOf(content as Parameters<typeof mediaOf>[0])
  return media ? withMedia(content, { ...media, caption: body }) : content
}
