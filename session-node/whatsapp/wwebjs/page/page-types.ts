/** The little of WhatsApp Web that is used here, as its page offers it by `window.require`. Erased when compiled. */

export interface Wid {
  server: string
  user: string
  _serialized: string
}

export interface MsgKey {
  id: string
  fromMe: boolean
  remote: Wid
  participant?: Wid
  toString(): string
}

export interface Msg {
  id: MsgKey
  ack: number
  t: number
  type: string
  from?: Wid
  to?: Wid
  author?: Wid
  isNotification?: boolean
  hasReaction?: boolean
  quotedStanzaID?: string
  mentionedJidList?: Wid[]
  /** Of a notice about a group. */
  recipients?: Wid[]
  pollOptions?: { name: string; localId: number }[]
  latestEditSenderTimestampMs?: number
  mediaData?: { mediaStage: string }
  directPath?: string
  encFilehash?: string
  filehash?: string
  mediaKey?: string
  mediaKeyTimestamp?: number
  mimetype?: string
  downloadMedia(options: { downloadEvenIfExpensive: boolean; rmrReason: number }): Promise<void>
}

export interface Collection<Item> {
  get(id: unknown): Item | undefined
  getModelsArray(): Item[]
}

export interface Chat {
  id: Wid
  t?: number
  unreadCount?: number
  msgs: Collection<Msg>
}

export interface Contact {
  /** What the person calls themselves, and a business that WhatsApp has checked. */
  pushname?: string
  verifiedName?: string
  phoneNumber?: Wid
}

export interface ReactionSender {
  senderUserJid: unknown
  reactionText: string
  /** ms since the epoch. */
  timestamp: number
}

/** A message on its way out; it carries our marker until the hook takes it off. */
export interface OutgoingMsg {
  id: MsgKey
  from: Wid
  to: Wid
  switchboard?: { id: string; attempt: number }
}

type SendResult = { messageSendResult?: string } | undefined
export type AddAndSend = (chat: Chat, message: OutgoingMsg) => [Promise<unknown>, Promise<SendResult>]

export interface Modules {
  WAWebCollections: {
    Contact?: Collection<Contact>
    Msg: Collection<Msg> & { getMessagesById(keys: string[]): Promise<{ messages?: Msg[] } | undefined> }
    Chat: Collection<Chat>
    Reactions?: {
      find(key: string): Promise<{ reactions: { serialize(): { senders: ReactionSender[] }[] } } | null | undefined>
    }
  }
  WAWebMsgKey: {
    new (parts: { from: Wid; to: Wid; id: string; participant?: Wid | undefined; selfDir: 'out' }): MsgKey
    prototype: MsgKey
    newId: unknown
  }
  WAWebWidFactory: { createWid(id: string): Wid }
  WAWebSocketModel: { Socket: { state?: string; hasSynced?: boolean } }
  WAWebConnModel: { Conn: { pushname?: string } }
  WAWebUserPrefsMeUser: { getMaybeMePnUser(): Wid | undefined; getMaybeMeLidUser(): Wid | undefined }
  WAWebApiContact: { getCurrentLid(wid: Wid): Wid | undefined; getPhoneNumber(wid: Wid): Wid | undefined }
  WAWebQueryExistsJob: { queryWidExists(wid: Wid): Promise<{ wid?: Wid } | null | undefined> }
  WAWebSendMsgChatAction: { addAndSendMsgToChat: AddAndSend }
  WAWebSendReactionMsgAction: { sendReactionToMsg(msg: Msg, emoji: string): Promise<unknown> }
  WAWebChatLoadMessages: { loadEarlierMsgs(options: { chat: Chat }): Promise<Msg[] | undefined> }
  WAWebDownloadManager: { downloadManager: { downloadAndMaybeDecrypt(media: object): Promise<ArrayBuffer> } }
  WAWebCmd: { Cmd: { refreshQR?: () => Promise<unknown> } }
}

/** Who is behind an id, as far as the page knows. */
export interface Person {
  id: string
  phone?: string
  lid?: string
  /** What they call themselves. */
  name?: string
}

/** What is added to each message that the library reports. */
export interface Enrichment {
  /** The message's key as text: its own property for it has another name in newer builds. */
  key: string
  chat: Person
  sender: Person
  mentions: Person[]
  /** When looking back: what others have reacted with, as far as it is recent. */
  reactions?: { sender: Person; emoji: string }[]
}

/** Of a notice about a group, where the library keeps whom it concerns: it hands this on as it is. */
export interface NoticedPeople {
  by?: Person
  people: Person[]
}

/** What the page tells by itself, beside what the library reports. */
export type PageEvent =
  | { kind: 'refused'; id: string; chat: Person; result: string }
  | { kind: 'reaction'; parentId: string; chat: Person; sender: Person; emoji: string; fromMe: boolean }
  | { kind: 'vote'; parentId: string; chat: Person; sender: Person; options: string[] }
  | { kind: 'call'; id: string; sender: Person; video: boolean; group: boolean; outgoing: boolean }

export interface SendRecord {
  attempt: number
  stage: 'dispatched' | 'stored' | 'server' | 'error'
  result?: string
  error?: string
}

export interface FoundMessage {
  key: string
  ack: number
  check: string
}

/** What our scripts keep in the page. */
export interface PageKit {
  /** Which load of the page this is: what it noted is lost with it. */
  load: number
  text(id: unknown): string
  person(id: unknown): Person
  /** A message that the page has in memory. */
  loaded(id: string): Msg | undefined
  find(id: string, chatId: string): Promise<{ msg: Msg; check: string } | undefined>
  sent: Map<string, SendRecord>
  /** Attempts up to this one must not go out any more, by inner id. */
  abandoned: Map<string, number>
  files: Map<number, ArrayBuffer>
}

export interface PageWindow {
  require<Name extends keyof Modules>(name: Name): Modules[Name]
  __switchboard?: PageKit
  WWebJS: {
    getMessageModel(msg: Msg): Record<string, unknown>
    getChat(id: string, options: { getAsModel: false }): Promise<Chat | null | undefined>
    arrayBufferToBase64Async(data: ArrayBuffer): Promise<string>
  }
  Debug?: { VERSION?: string }
  onSwitchboardEvent(event: PageEvent): Promise<void>
  onAddMessageEvent?: unknown
  onAppStateHasSyncedEvent?: () => Promise<void>
  onChangeMessageEvent?: unknown
  onChatUnreadCountEvent?: unknown
  onRemoveChatEvent?: unknown
  onArchiveChatEvent?: unknown
  onReaction?: unknown
  onPollVoteEvent?: unknown
  onIncomingCall?: unknown
}
