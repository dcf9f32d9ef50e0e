import type { Addressing, PhoneInfo } from './types.js'
import type { Device } from './device.js'
import { chatFor, identityOf, type Message } from './message.js'
import { lidFor, numberOf, toId } from './ids.js'

export interface AccountChat {
  id: string
  messages: Message[]
  /** Identities of all that ever came, so that the same message is kept once. */
  known: Set<string>
  unread: number
  /** How its owner keeps it: archived, pinned, muted. */
  flags: Record<string, unknown>
}

/** A number that is registered with WhatsApp: its phone, its linked devices, and its chats. */
export class Account {
  readonly number: string
  readonly lid: string
  readonly devices = new Set<Device>()
  readonly chats = new Map<string, AccountChat>()
  about = 'Hey there! I am using WhatsApp.'
  /** Whether the phone itself is on the network. */
  online = true
  receipts: 'auto' | 'manual' = 'auto'
  banned = false
  /** What linked devices say: whether their owner is at the screen. */
  presence = false
  addressing: Addressing | null = null
  /** Others see its LID only, until they look it up. */
  hidesNumber = false
  /** What linked devices show to others: by chat, `typing` or `recording`. */
  readonly typing = new Map<string, string>()

  constructor(
    readonly id: string,
    public name: string,
  ) {
    this.number = numberOf(id)
    this.lid = lidFor(this.number)
  }

  chat(id: string): AccountChat {
    let chat = this.chats.get(id)
    if (!chat) this.chats.set(id, (chat = { id, messages: [], known: new Set(), unread: 0, flags: {} }))
    return chat
  }

  /** Puts a message into its chat; false if it is there already, as recipients drop what they have. */
  keep(message: Message): boolean {
    const chat = this.chat(chatFor(message, this.id))
    const identity = identityOf(message)
    if (chat.known.has(identity)) return false
    chat.known.add(identity)
    chat.messages.push(message)
    return true
  }

  messages(): Message[] {
    return [...this.chats.values()].flatMap((chat) => chat.messages).sort((a, b) => a.at - b.at)
  }

  connectedDevices(): Device[] {
    return [...this.devices].filter((device) => device.isOnLine)
  }

  tell(frame: Record<string, unknown>, except?: Device | null): void {
    for (const device of this.devices) if (device !== except) device.tell(frame)
  }

  info(): PhoneInfo {
    const { number, id, lid, name, online, receipts, devices } = this
    return { number, id, lid, name, online, receipts, devices: devices.size, connected: this.connectedDevices().length }
  }
}

/** Who is registered. */
export class Accounts {
  #byId = new Map<string, Account>()
  #byLid = new Map<string, Account>()

  constructor(private readonly onNew: (account: Account) => void) {}

  /** Registers a number, or renames it. */
  register(person: string, name?: string, { hidesNumber = false } = {}): Account {
    const id = toId(person)
    let account = this.#byId.get(id)
    if (!account) {
      account = new Account(id, name ?? `Phone ${numberOf(id).slice(-4)}`)
      account.hidesNumber = hidesNumber
      this.#byId.set(id, account)
      this.#byLid.set(account.lid, account)
      this.onNew(account)
    }
    if (name !== undefined) account.name = name
    return account
  }

  unregister(person: string): void {
    const account = this.get(person)
    this.#byId.delete(account.id)
    this.#byLid.delete(account.lid)
  }

  find(person: string): Account | undefined {
    const id = toId(person)
    return this.#byId.get(id) ?? this.#byLid.get(id)
  }

  get(person: string): Account {
    const account = this.find(person)
    if (!account) throw new Error(`No phone has the number ${person}: make it with phone()`)
    return account
  }

  list(): Account[] {
    return [...this.#byId.values()]
  }
}

/** What a page is told about a person. */
export function contactOf(account: Account) {
  const { id: phone, lid, name, hidesNumber } = account
  return { phone, lid, name, ...(hidesNumber && { hidesNumber }) }
}
