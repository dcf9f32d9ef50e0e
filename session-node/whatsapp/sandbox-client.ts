import { createHash, randomBytes } from 'node:crypto'
import { type Content, mediaOf, type MessageStatus, type OutgoingMessage } from '../../proto/contract.js'
import { AppError } from '../../runtime/app-error.js'
import { type InboxMessage, SandboxPhone } from './sandbox-phone.js'
import type { ClientOptions, Probe, SendOutcome, Trace, WhatsAppClient } from './whatsapp-client.js'
import type { WireLog } from './wire-log.js'

/** Numbers that begin like this are not on the sandbox's WhatsApp; all others are. No country has this code. */
export const NOT_ON_WHATSAPP = '999000'

const QR_MS = 20_000
const MAX_QRS = 6
const DEFAULT_ACK_MS = 1
const DEFAULT_DOWN_MS = 1_000
const LOOK_BACK_MS = 600_000
const DEFAULT_PHONE = '4915100000000'

export type SandboxAction =
  | { action: 'pair'; phone?: string }
  | { action: 'logout' }
  | {
      action: 'receive'
      from: string
      fromName?: string
      chatId?: string
      content: Content
      replyTo?: string
      waMessageId?: string
    }
  | { action: 'disconnect'; forMs: number }
  | { action: 'ack'; waMessageId: string; status: MessageStatus }

/**
 * WhatsApp without WhatsApp: no browser and no phone. It pairs when driven (or by itself), takes every message, writes
 * it to the wire log and acks it. What a link and an inbox are is kept in the profile directory, so both survive a
 * restart like those of a browser.
 */
export class SandboxClient implements WhatsAppClient {
  readonly pid = undefined
  private readonly phone: SandboxPhone
  private readonly stopping = new AbortController()
  private qrTimer: NodeJS.Timeout | undefined
  private lineTimer: NodeJS.Timeout | undefined
  private lineUp = true
  private connectedAs: string | undefined
  private readonly pendingAcks: (() => void)[] = []
  private readonly ackTimers = new Set<NodeJS.Timeout>()

  constructor(
    private readonly options: ClientOptions,
    private readonly wire: WireLog,
  ) {
    this.phone = new SandboxPhone(options.profileDir)
  }

  async start(): Promise<void> {
    const linked = await this.phone.linked()
    const own = this.options.sandbox
    if (linked !== undefined) this.connect(linked)
    else if (own?.autoPair) await this.pair(own.phone)
    else this.showQr(1)
  }

  stop(): Promise<void> {
    this.stopping.abort()
    clearTimeout(this.qrTimer)
    clearTimeout(this.lineTimer)
    for (const timer of this.ackTimers) clearTimeout(timer)
    this.ackTimers.clear()
    return Promise.resolve()
  }

  async logout(): Promise<void> {
    await this.phone.unlink()
    this.connectedAs = undefined
  }

  async requestPairingCode(): Promise<string> {
    if (this.connectedAs !== undefined) throw new AppError('not_ready', 'The number is linked already.')
    return randomBytes(8)
      .toString('base64')
      .replace(/[^A-Za-z0-9]/g, 'X')
      .slice(0, 8)
      .toUpperCase()
  }

  screenshot(): Promise<Buffer> {
    return Promise.reject(new AppError('not_supported', 'A sandbox session has no browser to take a picture of.'))
  }

  async checkNumber(phone: string): Promise<string | undefined> {
    return phone.startsWith(NOT_ON_WHATSAPP) ? undefined : `${phone}@c.us`
  }

  async send(message: OutgoingMessage): Promise<SendOutcome> {
    const { waMessageId, to, content } = message
    if (this.connectedAs === undefined) return { outcome: 'failed', reason: 'send_failed' }
    const file = mediaOf(content)
    // Throws `not_found` without it.
    if (file && !(await this.options.media.pathOf(file.sha256).catch(() => undefined))) {
      return { outcome: 'failed', reason: 'media_missing' }
    }
    const sha256 = createHash('sha256').update(JSON.stringify(content)).digest('hex')
    const taken = this.wire.append({ waMessageId, session: this.options.sessionId, chat: to, sha256, at: this.now() })
    // In the page's hands; WhatsApp's confirmation follows once it is written down.
    taken.then(
      () => this.confirm(message),
      (err: unknown) => this.died(err),
    )
    return { outcome: 'dispatched' }
  }

  async findTrace({ waMessageId }: { waMessageId: string }): Promise<Trace> {
    const found = await this.wire.has(this.options.sessionId, waMessageId)
    return found ? { found, status: 'sent', check: 'wire_log' } : { found, check: 'wire_log' }
  }

  probe(): Promise<Probe> {
    return Promise.resolve({ alive: true })
  }

  async lookBack(since: number): Promise<void> {
    for (const message of await this.phone.inbox(since - LOOK_BACK_MS)) this.tell(message)
  }

  /** Does what its phone or a contact would do. Answers the WhatsApp id of what was received. */
  async drive(action: SandboxAction): Promise<string | undefined> {
    switch (action.action) {
      case 'pair':
        await this.pair(action.phone)
        return undefined
      case 'logout':
        this.mustBeLinked()
        await this.logout()
        this.options.listener({ kind: 'logged_out', reason: 'logged_out_by_phone' })
        return undefined
      case 'disconnect':
        this.mustBeLinked()
        this.lineDown(action.forMs)
        return undefined
      case 'ack':
        this.mustBeLinked()
        this.ack(action.waMessageId, '', action.status)
        return action.waMessageId
      case 'receive':
        return this.receive(action)
    }
  }

  private async pair(given?: string) {
    if (this.connectedAs !== undefined) throw new AppError('conflict', 'The number is linked already.')
    const phone = (given ?? this.options.sandbox?.phone ?? '').replace(/\D/g, '') || DEFAULT_PHONE
    clearTimeout(this.qrTimer)
    await this.phone.link(phone)
    if (this.stopping.signal.aborted) return
    this.options.listener({ kind: 'authenticated' })
    this.connect(phone)
  }

  private connect(phone: string) {
    this.connectedAs = phone
    this.options.listener({
      kind: 'connected',
      phone,
      lid: `1${phone}@lid`,
      pushName: 'Sandbox',
      webVersion: 'sandbox',
    })
  }

  private showQr(shown: number) {
    if (shown > MAX_QRS) return this.options.listener({ kind: 'qr_expired' })
    const qr = `sandbox,${this.options.sessionId},${randomBytes(24).toString('base64url')}`
    this.options.listener({ kind: 'qr', qr, expiresAt: this.now() + QR_MS })
    this.qrTimer = setTimeout(() => this.showQr(shown + 1), QR_MS)
  }

  private lineDown(forMs: number) {
    this.lineUp = false
    this.options.listener({ kind: 'line', up: false })
    clearTimeout(this.lineTimer)
    this.lineTimer = setTimeout(
      () => void this.lineBack().catch((err: unknown) => this.died(err)),
      forMs || DEFAULT_DOWN_MS,
    )
  }

  private async lineBack() {
    this.lineUp = true
    this.options.listener({ kind: 'line', up: true })
    for (const ack of this.pendingAcks.splice(0)) ack()
    // WhatsApp brings by itself what came meanwhile; the event log drops what it has.
    await this.lookBack(this.now())
  }

  private async receive(received: SandboxAction & { action: 'receive' }) {
    const { from, fromName, chatId, content, replyTo, waMessageId = newWaId() } = received
    const own = this.mustBeLinked()
    const sender = from.includes('@') ? from : `${from.replace(/\D/g, '')}@c.us`
    const fromPhone = /^(\d+)@c\.us$/.exec(sender)?.[1]
    const message: InboxMessage = {
      waMessageId,
      chatId: chatId || sender,
      from: sender,
      to: `${own}@c.us`,
      ...(fromPhone ? { fromPhone } : {}),
      ...(fromName ? { fromName } : {}),
      content,
      ...(replyTo ? { replyTo } : {}),
      sentAt: Math.floor(this.now() / 1_000) * 1_000,
    }
    await this.phone.keep(message)
    if (this.lineUp) this.tell(message)
    return message.waMessageId
  }

  private tell(message: InboxMessage) {
    if (this.stopping.signal.aborted) return
    const body = { kind: 'message_received' as const, origin: 'contact' as const, mentions: [], ...message }
    this.options.listener({ kind: 'message', body })
  }

  /** WhatsApp took it: acks, and the echo when one was asked for. */
  private confirm({ waMessageId, to, content }: OutgoingMessage) {
    const { sandbox } = this.options
    const wait = sandbox?.ackDelayMs || DEFAULT_ACK_MS
    this.after(wait, () => {
      this.ack(waMessageId, to, 'sent')
      this.after(wait, () => {
        this.ack(waMessageId, to, 'delivered')
        if (sandbox?.reply !== 'echo' || content.type === 'reaction') return
        const echo = { action: 'receive', from: to, content, replyTo: waMessageId } as const
        this.receive(echo).catch((err: unknown) => this.died(err))
      })
    })
  }

  /** Unless it is stopped before. */
  private after(ms: number, then: () => void) {
    if (this.stopping.signal.aborted) return
    const timer = setTimeout(() => {
      this.ackTimers.delete(timer)
      then()
    }, ms)
    this.ackTimers.add(timer)
  }

  private ack(waMessageId: string, chatId: string, status: MessageStatus) {
    const tell = () => this.options.listener({ kind: 'ack', waMessageId, chatId, status })
    if (this.lineUp) tell()
    else this.pendingAcks.push(tell)
  }

  private died(err: unknown) {
    if (this.stopping.signal.aborted) return
    this.options.log.error({ err }, 'sandbox.failed')
    this.options.listener({ kind: 'died', reason: 'page_crashed', detail: 'the sandbox could not write its files' })
  }

  private mustBeLinked(): string {
    if (this.connectedAs !== undefined) return this.connectedAs
    throw new AppError('not_ready', 'The sandbox session is not linked to a number yet.', {
      reason: 'session_not_connected',
    })
  }

  private now(): number {
    return this.options.clock()
  }
}

const newWaId = () => randomBytes(16).toString('hex').toUpperCase()
