import type { Account, Accounts } from './accounts.js'
import type { Device } from './device.js'
import type { Content, MessageView, Reaction, Vote } from './types.js'
import { ackOf, chatFor, identityOf, viewOf, type Message, type Receipt } from './message.js'
import type { Groups } from './groups.js'
import { isGroup } from './ids.js'
import { pageView } from './page-view.js'

/** Which message somebody means: in their chat, by its inner id, and by its sender where several could have that id. */
export interface MessageRef {
  chat: string
  id: string
  from?: string
}

/** Takes messages and what follows them, and brings them to everyone concerned. */
export class Post {
  #messages = new Map<string, Message>()

  constructor(
    private readonly accounts: Accounts,
    private readonly groups: Groups,
    private readonly onChange: () => void,
  ) {}

  /** Takes a message in and shows it on the sender's other devices. Taking in the same one again changes nothing. */
  take(sender: Account, draft: Content & { id: string; chat: string; at?: number }, device: Device | null): Message {
    const from = sender.id
    const known = this.#messages.get(identityOf({ from, chat: draft.chat, id: draft.id }))
    if (known) return known
    const recipients = this.#membersOf(draft.chat).filter((id) => id !== from)
    const message: Message = {
      ...draft,
      from,
      name: sender.name,
      at: draft.at ?? Date.now(),
      recipients,
      receipts: new Map(),
      silent: false,
      reactions: [],
      votes: [],
    }
    this.#messages.set(identityOf(message), message)
    sender.keep(message)
    this.#announce(sender, message, device)
    this.onChange()
    return message
  }

  /** Brings a message to all who are to get it. */
  deliver(message: Message): void {
    for (const recipient of this.#recipientsOf(message)) {
      if (!recipient.keep(message)) continue
      if (message.type !== 'group') recipient.chat(chatFor(message, recipient.id)).unread += 1
      this.#announce(recipient, message, null)
      this.#reach(recipient, message)
    }
    this.onChange()
  }

  /** Marks as delivered what has waited for this account to come on line. */
  catchUp(account: Account): void {
    for (const message of account.messages()) {
      if (message.from !== account.id && !message.receipts.has(account.id)) this.#reach(account, message)
    }
  }

  receipt(recipient: Account, message: Message, level: Receipt): void {
    if ((message.receipts.get(recipient.id) ?? 0) >= level) return
    const before = ackOf(message)
    message.receipts.set(recipient.id, level)
    const sender = this.accounts.find(message.from)
    if (sender && ackOf(message) > before) this.tellAck(sender, message)
    this.onChange()
  }

  tellAck(sender: Account, message: Message): void {
    sender.tell({ push: 'ack', message: pageView(viewOf(message, sender)), ack: ackOf(message) })
  }

  /** This account has read the chat (or one message of it), on its phone or on a linked device. */
  read(reader: Account, ref: { chat: string; id?: string | undefined }, except: Device | null = null): void {
    const chat = reader.chat(ref.chat)
    chat.unread = 0
    for (const message of chat.messages) {
      const meant = ref.id === undefined || ref.id === message.id
      if (meant && message.from !== reader.id) this.receipt(reader, message, 3)
    }
    reader.tell({ push: 'unread', chat: ref.chat, unread: 0 }, except)
    this.onChange()
  }

  edit(editor: Account, ref: MessageRef, body: string, device: Device | null = null): Message {
    const message = this.get(editor, ref)
    if (message.from !== editor.id) throw new Error('Only its sender can edit a message')
    message.body = body
    message.editedAt = Date.now()
    this.#tellAll(message, 'edit', device)
    return message
  }

  revoke(account: Account, ref: MessageRef, device: Device | null = null): Message {
    const message = this.get(account, ref)
    if (message.from !== account.id && !this.groups.isAdmin(message.chat, account.id)) {
      throw new Error('Only its sender or an admin of the group can delete a message for everyone')
    }
    message.revokedAt = Date.now()
    this.#tellAll(message, 'revoke', device)
    return message
  }

  react(account: Account, ref: MessageRef, emoji: string, device: Device | null = null): [Message, Reaction] {
    const message = this.get(account, ref)
    const reaction = { from: account.id, emoji, at: Date.now() }
    message.reactions = message.reactions.filter(({ from }) => from !== account.id)
    if (emoji !== '') message.reactions.push(reaction)
    this.#tellAll(message, 'reaction', device, { reaction })
    return [message, reaction]
  }

  vote(account: Account, ref: MessageRef, options: string[], device: Device | null = null): [Message, Vote] {
    const message = this.get(account, ref)
    const unknown = options.find((option) => !message.poll?.options.includes(option))
    if (!message.poll || unknown !== undefined) throw new Error(`The poll has no option ${unknown ?? ''}`)
    const vote = { from: account.id, options, at: Date.now() }
    message.votes = [...message.votes.filter(({ from }) => from !== account.id), vote]
    this.#tellAll(message, 'vote', device, { vote })
    return [message, vote]
  }

  /** Takes a message out of one account's own view. */
  deleteFor(account: Account, ref: MessageRef, device: Device | null = null): void {
    const message = this.get(account, ref)
    const chat = account.chat(ref.chat)
    chat.messages = chat.messages.filter((each) => each !== message)
    account.tell({ push: 'deleted', message: pageView(viewOf(message, account)) }, device)
    this.onChange()
  }

  find(account: Account, ref: MessageRef): Message | undefined {
    const messages = account.chats.get(ref.chat)?.messages ?? []
    return messages.findLast(({ id, from }) => id === ref.id && (ref.from === undefined || ref.from === from))
  }

  get(account: Account, ref: MessageRef): Message {
    const message = this.find(account, ref)
    if (!message) throw new Error(`${account.number} has no message ${ref.id} in ${ref.chat}`)
    return message
  }

  views(account: Account, chat?: string): MessageView[] {
    const messages = chat === undefined ? account.messages() : (account.chats.get(chat)?.messages ?? [])
    return messages.map((message) => viewOf(message, account))
  }

  /** A phone or linked device that is on line has the message delivered, unless a test gives receipts by hand. */
  #reach(recipient: Account, message: Message): void {
    if (recipient.receipts === 'manual') return
    if (recipient.online || recipient.connectedDevices().length > 0) this.receipt(recipient, message, 2)
  }

  #announce(account: Account, message: Message, except: Device | null): void {
    const view = pageView(viewOf(message, account))
    account.tell({ push: 'message', message: view, unread: account.chat(view.chat).unread }, except)
  }

  #tellAll(message: Message, push: string, except: Device | null, more: Record<string, unknown> = {}): void {
    const concerned = [message.from, ...message.recipients].flatMap((id) => this.accounts.find(id) ?? [])
    for (const account of concerned) {
      account.tell({ push, message: pageView(viewOf(message, account)), ...more }, except)
    }
    this.onChange()
  }

  #membersOf(chat: string): string[] {
    return isGroup(chat) ? this.groups.get(chat).participants.map(({ id }) => id) : [chat]
  }

  #recipientsOf(message: Message): Account[] {
    return message.recipients.flatMap((id) => this.accounts.find(id) ?? [])
  }
}
