/**
 * What the events of a node mean for messages: new rows, statuses, edits. Works on what was loaded beforehand and
 * remembers what has to be written, so that a batch of events costs a handful of statements. No I/O.
 */
import type { MessageId, NodeEvent, NodeId, SessionId } from '../../proto/contract.js'
import { mediaOf } from '../../proto/contract.js'
import { newId } from '../../runtime/ids.js'
import type { Told } from '../events/event.js'
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
import type { MessageChange } from './message-repository.js'
import {
  authorOf,
  type Body,
  byWhom,
  callTold,
  groupTold,
  statusTold,
  strangerTold,
  typedTold,
} from './message-told.js'
import { keyOf } from './messages-meant.js'

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

  /** The node has them, as it said. */
  taken(isTaken: (id: MessageId) => boolean, epoch: string, at: number): MessageId[] {
    const taken = [...this.byId.values()].filter(({ id }) => isTaken(id))
    for (const known of taken) {
      if (known.awaiting) this.replace({ ...known, awaiting: false, epoch, handedOverAt: at })
    }
    return taken.map(({ id }) => id)
  }

  /** To be handed over once more: what may have gone out is looked for before it is sent. */
  handOverAgain(id: MessageId): void {
    const known = this.byId.get(id)
    if (known) this.replace({ ...known, awaiting: true })
  }

  /** Of the request that the message comes from of which something is told. */
  traceOf({ data }: Told): string | undefined {
    return 'messageId' in data && data.messageId ? this.byId.get(data.messageId)?.traceId : undefined
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
      case 'group':
        return groupTold(body)
      case 'call':
        return callTold(body)
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
    const { id, waMessageId, to, content, replyTo, mentions, expiresInMs, origin, onUnknown, traceId } = message
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
      ...(traceId ? { traceId } : {}),
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
    if (direction === 'out') return typedTold(stored)
    return { type: 'message.received', data: { messageId: row.id, message: stored } }
  }

  private status(event: NodeEvent, body: Body<'message_status'>): Told | null {
    const known = body.messageId ? this.byId.get(body.messageId) : this.find(event.sessionId, body.waMessageId, ['out'])
    const { status, reason, error } = body
    if (!known || known.sessionId !== event.sessionId) return strangerTold(body)
    const next = this.move(known, { status, reason, error, at: event.at })
    return next && statusTold(next)
  }

  private edited(event: NodeEvent, body: Body<'message_edited'>): Told {
    const known = this.find(event.sessionId, body.waMessageId)
    if (known) this.replace({ ...known, content: withBody(known.content, body.body), editedAt: event.at })
    return {
      type: 'message.edited',
      data: { ...this.about(event, body), ...(known && authorOf(known)), body: body.body },
    }
  }

  private deleted(event: NodeEvent, body: Body<'message_deleted'>): Told {
    const known = this.find(event.sessionId, body.waMessageId)
    if (known) this.replace({ ...known, deletedAt: event.at })
    return { type: 'message.deleted', data: { ...this.about(event, body), ...(known && authorOf(known)) } }
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

function withBody(content: StoredContent, body: string): StoredContent {
  if (content.type === 'text') return { type: 'text', text: { body } }
  const media = mediaOf(content as Parameters<typeof mediaOf>[0])
  return media ? withMedia(content, { ...media, caption: body }) : content
}
