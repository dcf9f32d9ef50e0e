/**
 * The contract in our own words: what generated types become at the mapping functions (mapping.ts), and what all three
 * processes mean by a session, a message's content and an event.
 */

export type SessionId = `ses_${string}`
export type TenantId = `ten_${string}`
export type MessageId = `msg_${string}`
export type NodeId = `nod_${string}`
export type EventId = `evt_${string}`

export const engines = ['wwebjs', 'sandbox'] as const
export type Engine = (typeof engines)[number]

export const sessionStatuses = [
  'created',
  'starting',
  'qr_pending',
  'connected',
  'disconnected',
  'stopped',
  'logged_out',
  'failed',
] as const
export type SessionStatus = (typeof sessionStatuses)[number]

export const messageStatuses = ['pending', 'sent', 'delivered', 'read', 'played', 'failed', 'unknown'] as const
export type MessageStatus = (typeof messageStatuses)[number]

export const origins = ['api', 'telegram', 'phone', 'contact'] as const
export type Origin = (typeof origins)[number]

/** Waiting between two sends of one session. `messagesPerDay` 0: no cap. */
export interface Pacing {
  gapMs: number
  jitterMs: number
  messagesPerDay: number
}

export interface SandboxOptions {
  phone?: string
  autoPair?: boolean
  ackDelayMs?: number
  reply?: 'echo'
}

/** A session as its node knows it. Times in ms since the epoch; `phone` in digits. */
export interface NodeSession {
  id: SessionId
  tenantId: TenantId
  name: string
  engine: Engine
  status: SessionStatus
  reason?: string
  detail?: string
  phone?: string
  lid?: string
  pushName?: string
  pacing: Pacing
  sandbox?: SandboxOptions
  connectedAt?: number
  changedAt: number
  webVersion?: string
  /** Messages taken on and not dispatched yet. */
  waiting: number
}

export interface Media {
  /** Lower-case hex; empty when `missing`. */
  sha256: string
  mimetype: string
  size: number
  filename?: string
  caption?: string
  /** Inbound only: why there is no file. */
  missing?: string
  seconds?: number
}

export interface Contact {
  name: string
  phones: string[]
  vcard?: string
}

export const mediaTypes = ['image', 'video', 'audio', 'voice', 'document', 'sticker'] as const
export type MediaType = (typeof mediaTypes)[number]

/** What a message says. The field named like `type` holds it. */
export type Content =
  | { type: 'text'; text: { body: string } }
  | { type: 'image'; image: Media }
  | { type: 'video'; video: Media }
  | { type: 'audio'; audio: Media }
  | { type: 'voice'; voice: Media }
  | { type: 'document'; document: Media }
  | { type: 'sticker'; sticker: Media }
  | { type: 'location'; location: { latitude: number; longitude: number; name?: string; address?: string } }
  | { type: 'contacts'; contacts: Contact[] }
  | { type: 'poll'; poll: { question: string; options: string[]; multiple: boolean } }
  | { type: 'reaction'; reaction: { waMessageId: string; emoji: string } }
  | { type: 'unsupported'; unsupported: { waType: string } }
export type ContentType = Content['type']
export const contentTypes = [
  'text',
  'image',
  'video',
  'audio',
  'voice',
  'document',
  'sticker',
  'location',
  'contacts',
  'poll',
  'reaction',
  'unsupported',
] as const satisfies readonly ContentType[]

/** Contents whose files may be described by more than `Media`. */
type AnyContent<File> =
  { [Type in MediaType]: { type: Type } & Record<Type, File> }[MediaType] | { type: Exclude<ContentType, MediaType> }

/** The file of a content, if it has one. */
export function mediaOf<File extends Media>(content: AnyContent<File>): File | undefined {
  const type = mediaTypes.find((known) => known === content.type)
  return type && (content as Partial<Record<MediaType, File>>)[type]
}

/** A content of a media type around a file. */
export function mediaContent(type: MediaType, media: Media): Content {
  return { type, [type]: media } as unknown as Content
}

export interface OutgoingMessage {
  id: MessageId
  /** `waMessageId(id)`. */
  waMessageId: string
  /** Chat id: …@c.us, …@g.us, …@lid, …@newsletter. */
  to: string
  content: Content
  /** Inner WhatsApp id of the quoted message. */
  replyTo?: string
  mentions: string[]
  expiresInMs: number
  origin: Origin
  onUnknown: 'resend' | 'hold'
  /** It may have gone out from a node that is lost: it is looked for before it is sent. */
  lookFirst?: boolean
  /** Of the request that it was made by. */
  traceId?: string
}

/** What a person decides about a message that is held. */
export const decisions = ['resend', 'sent', 'failed'] as const
export type Decision = (typeof decisions)[number]

/** A position in a node's event log. Opaque outside of node and gateway; `position` 0: nothing seen yet. */
export interface Cursor {
  epoch: string
  position: number
}

/** Somebody on WhatsApp, as far as is known. */
export interface KnownPerson {
  /** Chat id: by number when it is known. */
  id: string
  /** Digits. */
  phone?: string
  lid?: string
  /** What they call themselves. */
  name?: string
}

export type EventBody =
  | { kind: 'session_status'; session: NodeSession }
  | { kind: 'message_queued'; message: OutgoingMessage }
  | {
      kind: 'message_status'
      messageId?: MessageId
      waMessageId: string
      chatId: string
      status: MessageStatus
      reason?: string
      error?: string
    }
  | {
      kind: 'message_received'
      waMessageId: string
      chatId: string
      from: string
      to: string
      fromPhone?: string
      fromLid?: string
      fromName?: string
      origin: 'contact' | 'phone'
      content: Content
      replyTo?: string
      mentions: string[]
      /** By WhatsApp's clock, whole seconds, in ms since the epoch. */
      sentAt: number
    }
  | { kind: 'message_edited'; waMessageId: string; chatId: string; body: string }
  | { kind: 'message_deleted'; waMessageId: string; chatId: string }
  | {
      kind: 'message_reaction'
      waMessageId: string
      chatId: string
      from: string
      fromPhone?: string
      fromLid?: string
      fromName?: string
      emoji: string
    }
  | {
      kind: 'poll_vote'
      waMessageId: string
      chatId: string
      from: string
      fromPhone?: string
      fromLid?: string
      fromName?: string
      options: string[]
    }
  | {
      kind: 'group'
      change: 'joined' | 'left' | 'updated'
      chatId: string
      by?: string
      byPerson?: KnownPerson
      participants: string[]
      /** The participants once more; of an older node there are only their ids. */
      people: KnownPerson[]
      what?: string
    }
  | {
      kind: 'call'
      callId: string
      from: string
      fromPhone?: string
      fromLid?: string
      fromName?: string
      video: boolean
      group: boolean
    }
export type EventKind = EventBody['kind']

/** A fact that a node reports. Unique by (epoch, position) of its node. */
export interface NodeEvent {
  id: EventId
  sessionId: SessionId
  tenantId: TenantId
  epoch: string
  position: number
  /** ms since the epoch. */
  at: number
  body: EventBody
}

export interface QrShown {
  sessionId: SessionId
  /** Empty: there is none any more. */
  qr: string
  expiresAt: number
}

export type WatchItem =
  | { kind: 'snapshot'; sessions: NodeSession[]; qrs: QrShown[]; cursor: Cursor }
  | { kind: 'event'; event: NodeEvent }
  | { kind: 'qr'; qr: QrShown }
  | { kind: 'heartbeat'; at: number }

export interface NodeInfo {
  id: NodeId
  epoch: string
  version: string
  capacity: number
  load: number
  draining: boolean
  engines: Engine[]
  /** What its event log takes, and the bound at which its sessions are disconnected until it was read. */
  eventLog?: { bytes: number; maxBytes: number }
  /** Why real sessions cannot run there, as a sentence. */
  browserProblem?: string
}

/** Limits of an upload, by kind, in bytes. */
export const mediaLimits: Record<MediaType, number> = {
  image: 16 * 2 ** 20,
  audio: 16 * 2 ** 20,
  voice: 16 * 2 ** 20,
  sticker: 16 * 2 ** 20,
  video: 64 * 2 ** 20,
  document: 64 * 2 ** 20,
}
