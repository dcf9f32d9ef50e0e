/** What tests and the simulator's server say to each other. People are `<number>@c.us` here, however a page shows them. */

/** The property of a message key that holds it as text; WhatsApp's builds of 2026 use the second. */
export type KeyShape = '_serialized' | '$1'

/** How the page of a linked device addresses people. */
export type Addressing = 'c.us' | 'lid'

/** -1 refused, 0 waiting, 1 with the server, 2 delivered, 3 read, 4 played. */
export type Ack = -1 | 0 | 1 | 2 | 3 | 4

export type MessageType =
  'text' | 'image' | 'video' | 'audio' | 'voice' | 'document' | 'sticker' | 'location' | 'contacts' | 'poll' | 'group'

export interface Media {
  sha256: string
  size: number
  mimetype: string
  filename?: string | undefined
  seconds?: number | undefined
  gif?: boolean | undefined
  viewOnce?: boolean | undefined
}

export interface Place {
  latitude: number
  longitude: number
  name?: string | undefined
  address?: string | undefined
  url?: string | undefined
}

export interface ContactCard {
  name: string
  vcard: string
}

export interface Poll {
  question: string
  options: string[]
  multiple: boolean
}

/** What a group tells its members: `add`, `remove`, `leave`, `promote`, `demote`, `subject`, `description`. */
export interface GroupNotice {
  kind: string
  recipients: string[]
}

export interface Quoted {
  id: string
  from: string
  type: MessageType
  body?: string | undefined
}

export interface Reaction {
  from: string
  emoji: string
  at: number
}

export interface Vote {
  from: string
  options: string[]
  at: number
}

/** The content of a message, as it lies with WhatsApp. `body` is the text, or the caption of media. */
export interface Content {
  type: MessageType
  body?: string | undefined
  media?: Media | undefined
  location?: Place | undefined
  contacts?: ContactCard[] | undefined
  poll?: Poll | undefined
  notice?: GroupNotice | undefined
  quoted?: Quoted | undefined
  mentions?: string[] | undefined
  forwarded?: boolean | undefined
}

/** A message as one of the people in its chat sees it. */
export interface MessageView extends Content {
  id: string
  /** The other person or the group. */
  chat: string
  from: string
  fromMe: boolean
  /** The name that the sender gave themselves. */
  name: string
  at: number
  ack: Ack
  editedAt?: number | undefined
  revokedAt?: number | undefined
  reactions: Reaction[]
  votes: Vote[]
}

/** Media as a test gives it. */
export interface MediaDraft {
  base64: string
  mimetype: string
  filename?: string
  seconds?: number
}

/** A message as a phone sends it. `quoted` is the id of a message of the same chat, mentions are numbers or ids. */
export type Draft = (
  | { type: 'text'; body: string }
  | { type: 'image' | 'video' | 'document'; media: MediaDraft; caption?: string }
  | { type: 'audio' | 'voice' | 'sticker'; media: MediaDraft }
  | { type: 'location'; latitude: number; longitude: number; name?: string; address?: string }
  | { type: 'contacts'; contacts: { name: string; number: string }[] }
  | { type: 'poll'; question: string; options: string[]; multiple?: boolean }
) & { quoted?: string; mentions?: string[]; forwarded?: boolean; id?: string; at?: number }

/** One line of the wire log: a message that a linked device handed to WhatsApp. */
export interface WireLine {
  waMessageId: string
  from: string
  chat: string
  sha256: string
  at: number
}

/** Where a fault strikes. `page` is loading the page itself; `seen`, `store`, `history` happen inside the page. */
export type FaultOperation =
  'page' | 'lookup' | 'chat' | 'upload' | 'download' | 'send' | 'pairing' | 'seen' | 'store' | 'history'

/**
 * hang: never answers. fail: answers with an error. slow: is late by `delayMs`. null: answers with nothing.
 * send only: `refuse` (ack -1), `noAck` (taken and delivered, never acknowledged).
 * page only: `throw` (its script breaks, so nothing can be injected), `navigate` (reloads during the first inject).
 */
export type FaultMode = 'hang' | 'fail' | 'slow' | 'null' | 'refuse' | 'noAck' | 'throw' | 'navigate'

export interface Fault {
  op: FaultOperation
  mode: FaultMode
  /** How often it strikes; 1 unless given. */
  count?: number
  delayMs?: number
  /** Only for pages linked to this number; `page` faults strike any page, as it is not known yet who loads it. */
  number?: string
}

/** How "history synced" goes wrong: `early` is before anyone listens, `premature` twice, so that ready comes too soon. */
export type SyncMode = 'normal' | 'early' | 'never' | 'premature'

export interface Settings {
  keyShape: KeyShape
  addressing: Addressing
  /** What the page says its version is; goes with the key shape unless given. */
  webVersion: string | null
  /** Every number is registered: a phone is made when somebody looks it up. */
  allRegistered: boolean
  /** A chat with a number that was never looked up is refused with `No LID for user`. */
  lookupBeforeFirstSend: boolean
  serverAckDelayMs: number
  syncMode: SyncMode
  syncDelayMs: number
  qrRotationMs: number
  /** How many QR codes are shown before the page goes idle. */
  qrCodes: number
  /** What arrived while a device was off: known at its start without an event, or announced once it is ready. */
  offlineDelivery: 'before' | 'after'
}

export interface PhoneInfo {
  number: string
  id: string
  lid: string
  name: string
  online: boolean
  receipts: 'auto' | 'manual'
  /** Linked devices, and how many of them are on the line right now. */
  devices: number
  connected: number
}

export interface ChatSummary {
  id: string
  /** The other person's name or the group's subject. */
  title: string
  unread: number
  messages: number
  last?: MessageView | undefined
}

export interface GroupInfo {
  id: string
  subject: string
  description?: string | undefined
  owner: string
  createdAt: number
  announce: boolean
  participants: { id: string; admin: boolean }[]
}

/** A page that waits to be linked. */
export interface WaitingPage {
  /** What its QR code begins with; empty once the page is idle. */
  ref: string
  /** When it began to wait. */
  since: number
  pairingCode?: string | undefined
  pairingNumber?: string | undefined
}
