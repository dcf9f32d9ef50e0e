import type { SimulatorClient } from './simulator-client.js'
import type { ChatSummary, Draft, Fault, GroupInfo, MediaDraft, MessageView, PhoneInfo } from './types.js'

type Extras = Partial<Pick<Draft, 'quoted' | 'mentions' | 'forwarded' | 'id' | 'at'>>
type MessageRef = Pick<MessageView, 'chat' | 'id'>

/** A simulated phone. Whom it writes to is a number or an id; chats and senders come back as `<number>@c.us`. */
export class Phone {
  constructor(
    private readonly whatsapp: SimulatorClient,
    readonly number: string,
    /** `<number>@c.us` */
    readonly id: string,
    readonly lid: string,
  ) {}

  info(): Promise<PhoneInfo> {
    return this.#do('info')
  }

  // Linking

  /** Scans the QR text of a page that waits. */
  scan(qr: string): Promise<void> {
    return this.#do('scan', { qr })
  }

  /** Types the code that a page shows for this number. */
  linkWithCode(code: string): Promise<void> {
    return this.#do('linkWithCode', { code })
  }

  /** Unlinks all devices, as a person does in the settings of the phone. */
  logout(): Promise<void> {
    return this.#do('logout')
  }

  // Writing

  /** Sends from the phone itself: linked devices of this number see it as their own message. */
  send(to: string, draft: Draft): Promise<MessageView> {
    return this.#do('send', { to, draft })
  }

  sendText(to: string, body: string, extras: Extras = {}): Promise<MessageView> {
    return this.send(to, { type: 'text', body, ...extras })
  }

  sendImage(to: string, media: MediaDraft, extras: Extras & { caption?: string } = {}): Promise<MessageView> {
    return this.send(to, { type: 'image', media, ...extras })
  }

  edit({ chat, id }: MessageRef, body: string): Promise<void> {
    return this.#do('edit', { chat, id, body })
  }

  /** Deletes a message for everyone. */
  revoke({ chat, id }: MessageRef): Promise<void> {
    return this.#do('revoke', { chat, id })
  }

  /** An empty emoji takes the reaction back. */
  react({ chat, id }: MessageRef, emoji: string): Promise<void> {
    return this.#do('react', { chat, id, emoji })
  }

  vote({ chat, id }: MessageRef, options: string[]): Promise<void> {
    return this.#do('vote', { chat, id, options })
  }

  call(to: string, { video = false } = {}): Promise<{ id: string }> {
    return this.#do('call', { to, video })
  }

  // Receipts

  /** Reads a chat, or one message of it: ack 3. */
  read(chat: string, id?: string): Promise<void> {
    return this.#do('read', { chat, id })
  }

  /** Plays a voice message: ack 4. */
  play({ chat, id }: MessageRef): Promise<void> {
    return this.#do('receipt', { chat, id, level: 4 })
  }

  /** Marks a message as delivered: ack 2. Only needed with receipts by hand. */
  deliver({ chat, id }: MessageRef): Promise<void> {
    return this.#do('receipt', { chat, id, level: 2 })
  }

  /** `manual`: nothing is marked as delivered until `deliver` is called. */
  receipts(mode: 'auto' | 'manual'): Promise<PhoneInfo> {
    return this.#do('phone', { receipts: mode })
  }

  online(): Promise<void> {
    return this.#do('online')
  }

  offline(): Promise<void> {
    return this.#do('offline')
  }

  // What it has

  /** All messages of the account, its own too, oldest first. */
  messages(chat?: string): Promise<MessageView[]> {
    return this.#do('messages', { chat })
  }

  chats(): Promise<ChatSummary[]> {
    return this.#do('chats')
  }

  async received(chat?: string): Promise<MessageView[]> {
    return (await this.messages(chat)).filter(({ fromMe }) => !fromMe)
  }

  /** The first message that passes the test, as soon as it is there. */
  message(test: (message: MessageView) => boolean, timeoutMs?: number): Promise<MessageView> {
    const what = `a message of ${this.number}`
    return this.whatsapp.until(async () => (await this.messages()).find(test), { what, timeoutMs })
  }

  receivedText(body: string, timeoutMs?: number): Promise<MessageView> {
    return this.message((message) => !message.fromMe && message.body === body, timeoutMs)
  }

  /** `typing`, `recording`, `paused`, or null: what this account's linked devices show in that chat. */
  typing(chat: string): Promise<string | null> {
    return this.#do('typing', { chat })
  }

  // Groups

  createGroup(subject: string, members: string[]): Promise<GroupInfo> {
    return this.#do('createGroup', { subject, members })
  }

  addToGroup(id: string, people: string[]): Promise<void> {
    return this.#do('addToGroup', { id, people })
  }

  removeFromGroup(id: string, people: string[]): Promise<void> {
    return this.#do('removeFromGroup', { id, people })
  }

  leaveGroup(id: string): Promise<void> {
    return this.removeFromGroup(id, [this.number])
  }

  promote(id: string, person: string, admin = true): Promise<void> {
    return this.#do('promote', { id, person, admin })
  }

  updateGroup(id: string, change: { subject?: string; description?: string; announce?: boolean }): Promise<void> {
    return this.#do('updateGroup', { id, ...change })
  }

  // Trouble with the linked devices of this number

  fault(fault: Omit<Fault, 'number'>): Promise<void> {
    return this.#do('fault', fault)
  }

  /** The page stays, WhatsApp is out of its reach: TIMEOUT, OPENING. */
  dropLine(): Promise<void> {
    return this.#do('dropLine')
  }

  restoreLine(): Promise<void> {
    return this.#do('restoreLine')
  }

  /** Breaks the page's connection; it comes back by itself. */
  cut(): Promise<void> {
    return this.#do('cut')
  }

  conflict(): Promise<void> {
    return this.#do('conflict')
  }

  ban(): Promise<void> {
    return this.#do('ban')
  }

  pardon(): Promise<void> {
    return this.#do('pardon')
  }

  unpair(): Promise<void> {
    return this.#do('unpair')
  }

  reload(): Promise<void> {
    return this.#do('reload')
  }

  /** Keeps the page's thread busy, so that nothing in it answers. */
  freeze(ms: number): Promise<void> {
    return this.#do('freeze', { ms })
  }

  /** Kills the page's renderer. */
  crash(): Promise<void> {
    return this.#do('crash')
  }

  #do<Result>(operation: string, args: object = {}): Promise<Result> {
    return this.whatsapp.do(operation, { number: this.number, ...args })
  }
}
