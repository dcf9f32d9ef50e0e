import type {
  Engine,
  EventBody,
  MessageStatus,
  OutgoingMessage,
  SandboxOptions,
  SessionId,
} from '../../proto/contract.js'
import type { Reason } from '../../proto/reasons.js'
import type { Clock } from '../../runtime/clock.js'
import type { Logger } from '../../runtime/log.js'
import type { MediaStore } from '../media/media-store.js'

/**
 * One life of a session's connection to WhatsApp: made for one start, never started twice. What happens is told to the
 * listener, in order; methods throw AppErrors. Two implementations: `wwebjs` (a real browser) and `sandbox`.
 */
export interface WhatsAppClient {
  /** Launches. Resolves when what must happen next is told by events (a QR, or the connection); rejects when it failed. */
  start(): Promise<void>
  /**
   * Ends it and keeps the link. Resolves when nothing of it runs any more; throws `unavailable` when that cannot be
   * proven (then it must not be started again). Safe to call at any time, and twice.
   */
  stop(): Promise<void>
  /** Unlinks at WhatsApp, when the line is up; stop() follows, then the caller removes the profile. */
  logout(): Promise<void>
  /** Eight characters to type on the phone. `phone` in digits. */
  requestPairingCode(phone: string): Promise<string>
  /** PNG. */
  screenshot(): Promise<Buffer>
  /** The chat id of a number, or undefined when it is not on WhatsApp. */
  checkNumber(phone: string): Promise<string | undefined>
  /** Dispatches one message under the id chosen for it. Never throws for what WhatsApp did: the outcome says. */
  send(message: OutgoingMessage): Promise<SendOutcome>
  /** Looks for a message of ours whose outcome is not known. Only when connected; throws when it cannot look. */
  findTrace(message: { waMessageId: string; to: string }): Promise<Trace>
  /** Whether this client still works, by asking it. Bounded in time, never throws. */
  probe(): Promise<Probe>
  /**
   * Tells, as message events, what arrived while the session was away: newer than `since`, or than the last ten minutes
   * before it. What was told before may be told again; the event log drops it. Called after each `connected` but the
   * first of a pairing.
   */
  lookBack(since: number): Promise<void>
  /** The main process of the browser, when there is one. */
  readonly pid: number | undefined
  /** What the browser and all its processes take, when there is one. */
  usage?(): Promise<Usage>
}

export interface Usage {
  /** Proportional: pages that processes share are counted once. */
  memoryBytes: number
  processes: number
}

export type SendOutcome =
  /** In the page's hands: acks follow as events. */
  | { outcome: 'dispatched' }
  /** It certainly did not go out. */
  | { outcome: 'failed'; reason: Reason; error?: string }
  /** It may have gone out: to be looked for. */
  | { outcome: 'unknown'; reason: Reason; error?: string }

export type Trace =
  /** `status` from the ack that was found: `pending` while it waits in the page. `check` names what was looked at. */
  { found: true; status: MessageStatus; check: string } | { found: false; check: string }

export type Probe = { alive: true } | { alive: false; reason: Reason; detail: string }

/** What a client tells. `message` bodies go to the event log as they are. */
export type ClientEvent =
  | { kind: 'qr'; qr: string; expiresAt: number }
  /** The QR was scanned: the phone is being linked or the chats are being synced. */
  | { kind: 'authenticated' }
  /** Told again when the page has loaded itself anew: it may have missed something, so look back. */
  | { kind: 'connected'; phone: string; lid?: string; pushName?: string; webVersion?: string }
  /** The line between browser and WhatsApp went down or came back; the browser lives. */
  | { kind: 'line'; up: boolean }
  /** Unlinked: by the phone, or by WhatsApp. */
  | { kind: 'logged_out'; reason: Reason }
  /** Needs a person: conflict, banned, web_version_unsupported, passkey_required. */
  | { kind: 'blocked'; reason: Reason; detail?: string }
  /** Nobody scanned in time. */
  | { kind: 'qr_expired' }
  /** It died or became useless; whoever supervises it stops it and starts a new one. */
  | { kind: 'died'; reason: Reason; detail: string }
  | { kind: 'ack'; waMessageId: string; chatId: string; status: MessageStatus; reason?: Reason }
  | { kind: 'message'; body: EventBody }

export interface ClientOptions {
  sessionId: SessionId
  engine: Engine
  /** This session's own directory; the client makes what it needs in there (the browser profile). */
  profileDir: string
  sandbox?: SandboxOptions
  media: MediaStore
  /**
   * Whether a message with this id was handed to this session to send, in this life or an earlier one: it is not one that
   * somebody typed on the phone.
   */
  isOurs?: (waMessageId: string) => boolean
  clock: Clock
  log: Logger
  listener: (event: ClientEvent) => void
}

export type CreateClient = (options: ClientOptions) => WhatsAppClient
