import type { EventBody, MessageStatus } from '../../../proto/contract.js'
import { mediaContent } from '../../../proto/contract.js'
import type { Logger } from '../../../runtime/log.js'
import type { ClientEvent } from '../whatsapp-client.js'
import { isMessage, mediaTypeOf, plainContent, type RawMessage } from './incoming-content.js'
import type { LibraryClient } from './library.js'
import type { MediaDownload } from './media-download.js'
import type { PageEvent, Person } from './page/page-types.js'

interface Dependencies {
  tell: (event: ClientEvent) => void
  /** Whether a message that left this account is one of ours, and not typed on the phone. */
  isOurs: (waMessageId: string) => boolean
  isOwnReaction: (parentId: string, emoji: string) => boolean
  /** Our own chat id. */
  me: () => string
  media: MediaDownload
  log: Logger
}

type Received = Extract<EventBody, { kind: 'message_received' }>

/** What WhatsApp Web reports, in our words. */
export class Receiving {
  constructor(private readonly to: Dependencies) {}

  attach(client: LibraryClient): void {
    client.on('message_create', ({ rawData }) => this.message(rawData as RawMessage))
    client.on('message_ack', ({ rawData }, ack) => this.ack(rawData as RawMessage, Number(ack)))
    client.on('message_edit', ({ rawData }, body: unknown, before: unknown) =>
      this.edit(rawData as RawMessage, body, before),
    )
    client.on('message_revoke_everyone', ({ rawData }) => this.revoked(rawData as RawMessage))
    client.on('group_join', (notification) => this.#group('joined', notification))
    client.on('group_leave', (notification) => this.#group('left', notification))
    client.on('group_update', (notification) => this.#group('updated', notification))
    client.on('group_admin_changed', (notification) => this.#group('updated', notification))
    client.on('message_ciphertext_failed', () => this.to.log.warn('message.undecryptable'))
  }

  message(raw: RawMessage): void {
    if (!isMessage(raw) || chatOf(raw) === 'status@broadcast') return
    if (raw.id.fromMe && this.to.isOurs(raw.id.id)) return
    const type = mediaTypeOf(raw)
    if (type === undefined) return this.#received(raw, plainContent(raw))
    const media = this.to.media.of(raw)
    if (!(media instanceof Promise)) return this.#received(raw, mediaContent(type, media))
    void media.then((file) => this.#received(raw, mediaContent(type, file)))
  }

  ack(raw: RawMessage, ack: number): void {
    const status = statusOf(ack)
    if (!raw.id.fromMe || status === 'pending' || chatOf(raw) === 'status@broadcast') return
    this.to.tell({
      kind: 'ack',
      waMessageId: raw.id.id,
      chatId: chatOf(raw),
      status,
      ...(status === 'failed' && { reason: 'rejected_by_whatsapp' as const }),
    })
  }

  /** The library also reports a thumbnail that was loaded as an edit. */
  edit(raw: RawMessage, body: unknown, before: unknown): void {
    if (!isMessage(raw) || typeof body !== 'string' || body === before) return
    const isText = mediaTypeOf(raw) === undefined ? raw.type === 'chat' : body === raw.caption
    if (!isText || (before === undefined && raw.latestEditSenderTimestampMs === undefined)) return
    this.#tell({ kind: 'message_edited', waMessageId: raw.id.id, chatId: chatOf(raw), body })
  }

  revoked(raw: RawMessage): void {
    const waMessageId = raw.protocolMessageKey?.id ?? raw.id.id
    this.#tell({ kind: 'message_deleted', waMessageId, chatId: chatOf(raw) })
  }

  /** Those that a look back found. */
  reactions({ id, switchboard }: RawMessage): void {
    for (const { sender, emoji } of switchboard?.reactions ?? []) {
      const chatId = idOf(switchboard?.chat ?? { id: '' })
      this.#tell({ kind: 'message_reaction', waMessageId: id.id, chatId, ...from(sender), emoji })
    }
  }

  /** What our own scripts in the page tell. */
  told(event: PageEvent): void {
    switch (event.kind) {
      case 'refused': {
        const { id: waMessageId, chat } = event
        const reason = 'rejected_by_whatsapp' as const
        this.to.tell({ kind: 'ack', waMessageId, chatId: idOf(chat), status: 'failed', reason })
        return
      }
      case 'reaction': {
        const { parentId: waMessageId, chat, sender, emoji } = event
        if (event.fromMe && this.to.isOwnReaction(waMessageId, emoji)) return
        this.#tell({ kind: 'message_reaction', waMessageId, chatId: idOf(chat), ...from(sender), emoji })
        return
      }
      case 'vote': {
        const { parentId: waMessageId, chat, sender, options } = event
        this.#tell({ kind: 'poll_vote', waMessageId, chatId: idOf(chat), ...from(sender), options })
        return
      }
      case 'call': {
        const { id: callId, sender, video, group } = event
        if (!event.outgoing) this.#tell({ kind: 'call', callId, ...from(sender), video, group })
      }
    }
  }

  #received(raw: RawMessage, content: Received['content']): void {
    const { fromMe } = raw.id
    const chatId = chatOf(raw)
    const me = this.to.me()
    const sender: Person = raw.switchboard?.sender ?? { id: textOf(raw.author ?? raw.from) }
    const { from: senderId, ...known } = from(sender)
    this.#tell({
      kind: 'message_received',
      waMessageId: raw.id.id,
      chatId,
      from: fromMe ? me : senderId,
      to: fromMe ? chatId : me,
      ...known,
      ...(raw.notifyName !== undefined && raw.notifyName !== '' && { fromName: raw.notifyName }),
      origin: fromMe ? 'phone' : 'contact',
      content,
      ...(raw.quotedStanzaID !== undefined && { replyTo: raw.quotedStanzaID }),
      mentions: raw.switchboard?.mentions.map(idOf) ?? (raw.mentionedJidList ?? []).map(textOf),
      sentAt: raw.t * 1000,
    })
  }

  #group(
    change: 'joined' | 'left' | 'updated',
    {
      chatId,
      author,
      recipientIds,
      type,
      body,
    }: { chatId: string; author: string; recipientIds: unknown[]; type: unknown; body: string },
  ): void {
    this.#tell({
      kind: 'group',
      change,
      chatId,
      ...(author && { by: author }),
      participants: recipientIds.map(textOf),
      what: body ? `${String(type)}: ${body}` : String(type),
    })
  }

  #tell(body: EventBody): void {
    this.to.tell({ kind: 'message', body })
  }
}

export function statusOf(ack: number): MessageStatus {
  if (ack < 0) return 'failed'
  return (['pending', 'sent', 'delivered', 'read', 'played'] as const)[ack] ?? 'played'
}

/** A chat has one id for us, its phone number's, however WhatsApp addresses it at the moment. */
function chatOf(raw: RawMessage): string {
  return raw.switchboard ? idOf(raw.switchboard.chat) : textOf(raw.id.remote)
}

function idOf({ id, phone }: Person): string {
  return phone ?? id
}

function from(person: Person): { from: string; fromPhone?: string; fromLid?: string } {
  return {
    from: idOf(person),
    ...(person.phone !== undefined && { fromPhone: person.phone.replace(/@.*$/, '') }),
    ...(person.lid !== undefined && { fromLid: person.lid }),
  }
}

function textOf(id: unknown): string {
  if (id === undefined || id === null) return ''
  return typeof id === 'string' ? id : ((id as { _serialized?: string })._serialized ?? '')
}
