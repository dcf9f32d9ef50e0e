import type { EventBody, KnownPerson, MessageStatus } from '../../../proto/contract.js'
import { mediaContent } from '../../../proto/contract.js'
import type { Logger } from '../../../runtime/log.js'
import type { ClientEvent } from '../whatsapp-client.js'
import { oneLine } from './deadline.js'
import { isMessage, mediaTypeOf, plainContent, type RawMessage } from './incoming-content.js'
import type { GroupNotification, LibraryClient } from './library.js'
import type { MediaDownload } from './media-download.js'
import type { NoticedPeople, PageEvent, Person } from './page/page-types.js'
import type { People } from './people.js'

interface Dependencies {
  tell: (event: ClientEvent) => void
  /** Whether a message that left this account is one of ours, and not typed on the phone. */
  isOurs: (waMessageId: string) => boolean
  isOwnReaction: (parentId: string, emoji: string) => boolean
  /** Our own chat id. */
  me: () => string
  media: MediaDownload
  people: People
  log: Logger
}

type Received = Extract<EventBody, { kind: 'message_received' }>

/** What WhatsApp Web reports, in our words. */
export class Receiving {
  /** What waits until it is known whose number is behind a LID, and all that was heard after it. */
  #turn: Promise<void> = Promise.resolve()
  #waiting = 0

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
    const people = raw.switchboard ? [raw.switchboard.chat, raw.switchboard.sender, ...raw.switchboard.mentions] : []
    const told = (content: Received['content']) => this.#inTurn(people, () => this.#received(raw, content))
    const type = mediaTypeOf(raw)
    if (type === undefined) return told(plainContent(raw))
    const media = this.to.media.of(raw)
    if (!(media instanceof Promise)) return told(mediaContent(type, media))
    void media.then((file) => told(mediaContent(type, file)))
  }

  ack(raw: RawMessage, ack: number): void {
    const status = statusOf(ack)
    if (!raw.id.fromMe || status === 'pending' || chatOf(raw) === 'status@broadcast') return
    this.#inTurn([], () =>
      this.to.tell({
        kind: 'ack',
        waMessageId: raw.id.id,
        chatId: chatOf(raw),
        status,
        ...(status === 'failed' && { reason: 'rejected_by_whatsapp' as const }),
      }),
    )
  }

  /** The library also reports a thumbnail that was loaded as an edit. */
  edit(raw: RawMessage, body: unknown, before: unknown): void {
    if (!isMessage(raw) || typeof body !== 'string' || body === before) return
    const isText = mediaTypeOf(raw) === undefined ? raw.type === 'chat' : body === raw.caption
    if (!isText || (before === undefined && raw.latestEditSenderTimestampMs === undefined)) return
    this.#inTurn([], () => this.#tell({ kind: 'message_edited', waMessageId: raw.id.id, chatId: chatOf(raw), body }))
  }

  revoked(raw: RawMessage): void {
    const waMessageId = raw.protocolMessageKey?.id ?? raw.id.id
    this.#inTurn([], () => this.#tell({ kind: 'message_deleted', waMessageId, chatId: chatOf(raw) }))
  }

  /** Those that a look back found. */
  reactions({ id, switchboard }: RawMessage): void {
    const { chat = { id: '' }, reactions = [] } = switchboard ?? {}
    for (const { sender, emoji } of reactions) {
      this.#inTurn([chat, sender], () =>
        this.#tell({ kind: 'message_reaction', waMessageId: id.id, chatId: idOf(chat), ...from(sender), emoji }),
      )
    }
  }

  /** What our own scripts in the page tell. */
  told(event: PageEvent): void {
    switch (event.kind) {
      case 'refused': {
        const { id: waMessageId, chat } = event
        const reason = 'rejected_by_whatsapp' as const
        return this.to.tell({ kind: 'ack', waMessageId, chatId: idOf(chat), status: 'failed', reason })
      }
      case 'reaction': {
        const { parentId: waMessageId, chat, sender, emoji } = event
        if (event.fromMe && this.to.isOwnReaction(waMessageId, emoji)) return
        return this.#inTurn([chat, sender], () =>
          this.#tell({ kind: 'message_reaction', waMessageId, chatId: idOf(chat), ...from(sender), emoji }),
        )
      }
      case 'vote': {
        const { parentId: waMessageId, chat, sender, options } = event
        return this.#inTurn([chat, sender], () =>
          this.#tell({ kind: 'poll_vote', waMessageId, chatId: idOf(chat), ...from(sender), options }),
        )
      }
      case 'call': {
        const { id: callId, sender, video, group } = event
        if (event.outgoing) return
        return this.#inTurn([sender], () => this.#tell({ kind: 'call', callId, ...from(sender), video, group }))
      }
    }
  }

  /** Resolves once nothing waits for its turn. */
  settled(): Promise<void> {
    return this.#turn
  }

  /** At once, unless somebody's number has to be asked for or something else waits for that. */
  #inTurn(people: Person[], tell: () => void): void {
    if (this.to.people.fill(people) && this.#waiting === 0) return tell()
    this.#waiting += 1
    this.#turn = this.#turn
      .then(() => this.to.people.complete(people))
      .then(tell)
      .catch((thrown: unknown) => this.to.log.error({ problem: oneLine(thrown) }, 'heard.not_told'))
      .finally(() => (this.#waiting -= 1))
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

  #group(change: 'joined' | 'left' | 'updated', notification: GroupNotification): void {
    const { chatId, type, body } = notification
    const { by, people } = notification.recipientIds as unknown as NoticedPeople
    this.#inTurn(by ? [by, ...people] : people, () =>
      this.#tell({
        kind: 'group',
        change,
        chatId,
        ...(by && { by: idOf(by), byPerson: known(by) }),
        participants: people.map(idOf),
        people: people.map(known),
        what: body ? `${String(type)}: ${body}` : String(type),
      }),
    )
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

function from(person: Person): { from: string; fromPhone?: string; fromLid?: string; fromName?: string } {
  const { id, phone, lid, name } = known(person)
  return {
    from: id,
    ...(phone !== undefined && { fromPhone: phone }),
    ...(lid !== undefined && { fromLid: lid }),
    ...(name !== undefined && { fromName: name }),
  }
}

function known(person: Person): KnownPerson {
  const { phone, lid, name } = person
  return {
    id: idOf(person),
    ...(phone !== undefined && { phone: phone.replace(/@.*$/, '') }),
    ...(lid !== undefined && { lid }),
    ...(name !== undefined && { name }),
  }
}

function textOf(id: unknown): string {
  if (id === undefined || id === null) return ''
  return typeof id === 'string' ? id : ((id as { _serialized?: string })._serialized ?? '')
}
