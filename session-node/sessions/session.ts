import type { NodeSession, QrShown } from '../../proto/contract.js'
import type { Reason } from '../../proto/reasons.js'
import { AppError } from '../../runtime/app-error.js'
import { sleep } from '../../runtime/clock.js'
import type { Logger } from '../../runtime/log.js'
import type { SessionRecord } from '../journal/session-rows.js'
import type { ClientEvent, WhatsAppClient } from '../whatsapp/whatsapp-client.js'
import { Dispatcher } from './dispatcher.js'
import { Life } from './life.js'
import { Restarts } from './restarts.js'
import { Serial } from './serial.js'
import { SessionState, type StatusChange } from './session-state.js'
import type { SessionWorld } from './session-world.js'

/** A send in hand is given this long to end by itself before its client is stopped. */
const IDLE_MS = 5_000
const LOGOUT_MS = 20_000

/**
 * One session: what was asked for, where it stands, and the client that is alive, if any. Commands and teardowns run
 * one after the other; a start, stop or restart that was followed by another command before its turn is skipped, so that
 * any number of them ends in the last accepted state.
 */
export class Session {
  readonly dispatcher: Dispatcher
  private readonly state: SessionState
  private readonly serial = new Serial()
  private readonly restarts: Restarts
  private readonly log: Logger
  private life: Life | undefined
  private generation = 0
  private accepted = 0
  private retry: NodeJS.Timeout | undefined
  private lineDown: NodeJS.Timeout | undefined
  private shownQr: QrShown | undefined
  private discardDue = false
  private closed = false
  private gone = false

  constructor(
    record: SessionRecord,
    private readonly world: SessionWorld,
  ) {
    this.log = world.log.child({ session: record.id })
    this.state = new SessionState(record, world, this.log)
    this.restarts = new Restarts(world.timing, world.clock)
    this.dispatcher = new Dispatcher({
      ...world,
      session: { id: record.id, tenantId: record.tenantId },
      pacing: () => this.record.pacing,
      log: this.log,
    })
  }

  get record(): Readonly<SessionRecord> {
    return this.state.record
  }

  get deleted(): boolean {
    return this.gone
  }

  /** It runs, or is to come back by itself. */
  get active(): boolean {
    return this.record.wanted === 'running'
  }

  view(): NodeSession {
    return this.state.view()
  }

  qr(): QrShown | undefined {
    return this.shownQr
  }

  /** The client that is connected. Throws `not_ready`. */
  connectedClient(): WhatsAppClient {
    if (this.record.status === 'connected' && this.life?.client) return this.life.client
    throw new AppError('not_ready', 'The session is not connected.', { reason: 'session_not_connected' })
  }

  /** The client that runs. Throws `not_ready`. */
  runningClient(): WhatsAppClient {
    if (this.life?.client && !this.life.ended) return this.life.client
    throw new AppError('not_ready', 'The session is not running.', { reason: 'session_not_running' })
  }

  /** Throws `not_ready` unless the session waits for a link. */
  async pairingCode(phone: string): Promise<string> {
    if (this.record.status !== 'qr_pending') {
      throw new AppError('not_ready', 'The session does not wait for a link.', {
        reason: 'session_not_waiting_for_link',
      })
    }
    return this.runningClient().requestPairingCode(phone)
  }

  // ---- commands ----

  start(): Promise<void> {
    return this.command(async () => {
      if (this.life && !this.life.ended) return
      await this.state.update({ wanted: 'running' })
      this.restarts.reset()
      await this.endLife()
      this.launch()
    })
  }

  restart(): Promise<void> {
    return this.command(async () => {
      await this.state.update({ wanted: 'running' })
      this.restarts.reset()
      if (this.life && !this.life.ended) await this.state.change({ status: 'disconnected' }, 'restart_requested')
      await this.endLife()
      this.launch()
    })
  }

  stop(): Promise<void> {
    return this.command(async () => {
      await this.state.update({ wanted: 'stopped' })
      await this.endLife()
      // An unlinked session stays one: there is nothing to start again without a new link.
      if (this.record.status === 'logged_out') return
      await this.state.change({ status: 'stopped' }, 'stopped_by_request')
    })
  }

  logout(): Promise<void> {
    return this.command(
      async () => {
        await this.state.update({ wanted: 'stopped' })
        const client = this.record.status === 'connected' ? this.life?.client : undefined
        this.silence()
        this.discardDue = true
        if (client) await this.unlink(client)
        await this.endLife()
        await this.state.change({ status: 'logged_out', paired: false }, 'logged_out_by_request')
      },
      { always: true },
    )
  }

  delete(): Promise<void> {
    return this.command(
      async () => {
        if (this.gone) return
        await this.state.update({ wanted: 'stopped' })
        this.discardDue = true
        await this.endLife()
        this.dispatcher.stop()
        const { journal, outcomes, rows } = this.world
        await journal.write(() => {
          outcomes.failOpen(this.record.id, 'session_deleted')
          rows.remove(this.record.id)
        })
        this.gone = true
      },
      { always: true },
    )
  }

  /** What may change while it runs. */
  async update(changes: Partial<Pick<SessionRecord, 'name' | 'pacing' | 'sandbox'>>): Promise<void> {
    await this.state.update(changes)
    this.dispatcher.wake()
  }

  /** At the start of the node: as it was before. */
  restore(): void {
    if (this.active) return this.launch()
    if (!['starting', 'qr_pending', 'connected', 'disconnected'].includes(this.record.status)) return
    // The node ended in the middle of a stop.
    this.tell(this.state.change({ status: 'stopped' }, 'stopped_by_request'))
  }

  /** At the end of the node: everything of it ends, and it comes back with the node. */
  close(): Promise<void> {
    this.closed = true
    clearTimeout(this.retry)
    return this.serial.run(async () => {
      clearTimeout(this.retry)
      const wasRunning = this.life !== undefined
      await this.endLife().catch((err: unknown) => this.log.error({ err }, 'session.not_torn_down'))
      clearTimeout(this.retry)
      this.dispatcher.stop()
      if (wasRunning && this.active) await this.state.change({ status: 'disconnected' }, 'node_stopping')
    })
  }

  private command(work: () => Promise<void>, { always = false } = {}): Promise<void> {
    const ticket = ++this.accepted
    return this.serial.run(async () => {
      if (this.closed) {
        throw new AppError('unavailable', 'The session node is shutting down.', { reason: 'node_stopping' })
      }
      if (!always && ticket !== this.accepted) return
      clearTimeout(this.retry)
      await work()
    })
  }

  // ---- lives ----

  private launch() {
    const { world, record } = this
    const gate = record.engine === 'wwebjs' ? world.gate : undefined
    const waits = gate && !gate.isFree
    this.tell(this.state.change({ status: 'starting' }, waits ? 'waiting_for_launch' : 'starting'))
    const { id: sessionId, engine, sandbox } = record
    const profileDir = world.profiles.directoryOf(sessionId)
    const { media, clock } = world
    const life = new Life({
      generation: ++this.generation,
      client: { sessionId, engine, profileDir, media, clock, ...(sandbox ? { sandbox } : {}) },
      makeClient: world.makeClient,
      gate,
      timing: world.timing,
      log: this.log,
      onLaunching: () => this.tell(this.state.change({ status: 'starting' }, 'starting')),
      onEvent: (event) => this.hear(life, event),
      isConnected: () => this.record.status === 'connected',
    })
    this.life = life
    life.begin()
  }

  /** The client that lives is not heard any more; `endLife` follows. */
  private silence() {
    this.life?.end()
    this.dispatcher.detach()
    clearTimeout(this.lineDown)
    this.showQr(undefined)
  }

  private async endLife() {
    const life = this.life
    if (!life) return this.discard()
    this.silence()
    const late = new AbortController()
    await Promise.race([this.dispatcher.idle(), sleep(IDLE_MS, late.signal)])
    late.abort()
    try {
      await life.teardown()
    } catch (error) {
      this.retryIn(this.restarts.next().waitMs)
      throw error
    }
    if (this.life === life) this.life = undefined
    await this.discard()
  }

  private async discard() {
    if (!this.discardDue) return
    await this.world.profiles.discard(this.record.id)
    this.discardDue = false
  }

  private async unlink(client: WhatsAppClient) {
    const late = new AbortController()
    try {
      await Promise.race([client.logout(), sleep(LOGOUT_MS, late.signal)])
    } catch (err) {
      this.log.warn({ err }, 'session.not_unlinked')
    } finally {
      late.abort()
    }
  }

  /** Over, for a reason that only a person can mend: the client goes, and nothing brings it back by itself. */
  private giveUp(change: StatusChange, reason: Reason) {
    this.silence()
    this.tell(this.state.change({ ...change, wanted: 'stopped' }, reason))
    this.tell(this.serial.run(() => this.endIfOver()))
  }

  /** It comes back by itself, after a while. */
  private comeBack(reason: Reason, detail: string) {
    this.silence()
    const { waitMs, attempt, broken } = this.restarts.next()
    const next = new Date(this.world.clock() + waitMs).toISOString()
    this.log[attempt % 5 === 0 ? 'error' : 'warn']({ reason, detail, attempt, waitMs, broken }, 'session.died')
    this.tell(
      this.state.change({ status: 'disconnected', detail: `${detail} (restart ${attempt} at ${next})` }, reason),
    )
    this.tell(this.serial.run(() => this.endIfOver()))
    this.retryIn(waitMs)
  }

  private async endIfOver() {
    if (!this.life || this.life.ended) await this.endLife()
  }

  private retryIn(waitMs: number) {
    clearTimeout(this.retry)
    if (this.closed) return
    this.retry = setTimeout(() => this.tell(this.serial.run(() => this.tryAgain())), waitMs)
  }

  private async tryAgain() {
    if (this.closed || this.gone || (this.life && !this.life.ended)) return
    try {
      await this.endLife()
    } catch (error) {
      if (this.active) await this.state.change({ status: 'disconnected' }, 'browser_stuck')
      throw error
    }
    if (this.active) this.launch()
  }

  // ---- what the client tells ----

  private hear(life: Life, event: ClientEvent) {
    if (life !== this.life) return
    switch (event.kind) {
      case 'qr':
        this.showQr({ sessionId: this.record.id, qr: event.qr, expiresAt: event.expiresAt })
        return this.tell(this.state.change({ status: 'qr_pending' }, 'qr_shown'))
      case 'authenticated':
        this.showQr(undefined)
        if (this.record.status === 'connected') return
        return this.tell(this.state.change({ status: 'starting' }, 'syncing'))
      case 'connected':
        return this.onConnected(life, event)
      case 'line':
        return this.onLine(life, event.up)
      case 'logged_out':
        this.discardDue = true
        return this.giveUp({ status: 'logged_out', paired: false }, event.reason)
      case 'blocked':
        return this.giveUp({ status: 'failed', ...(event.detail ? { detail: event.detail } : {}) }, event.reason)
      case 'qr_expired':
        return this.giveUp({ status: 'stopped' }, 'qr_expired')
      case 'died':
        return this.comeBack(event.reason, event.detail)
      case 'ack':
        return this.tell(this.onAck(event))
      case 'message':
        return this.tell(this.onMessage(event.body))
    }
  }

  private onConnected(life: Life, event: ClientEvent & { kind: 'connected' }) {
    const { client } = life
    if (!client) return
    const { phone, lid, pushName, webVersion } = event
    const before = this.record
    this.showQr(undefined)
    clearTimeout(this.lineDown)
    this.restarts.connected()
    const changes = { phone, paired: true, ...definedOnly({ lid, pushName, webVersion }) }
    if (before.phone !== undefined && before.phone !== phone) {
      this.tell(this.world.journal.write(() => this.world.outcomes.failOpen(this.record.id, 'number_changed')))
    }
    const again = before.status === 'connected' ? {} : { connectedAt: this.world.clock() }
    this.tell(
      this.state
        .change({ status: 'connected', ...changes, ...again }, 'linked')
        .then(() => this.dispatcher.attach(client)),
    )
    if (before.paired) {
      const since = this.world.rows.lastInboundAt(this.record.id) ?? before.connectedAt ?? this.world.clock()
      client.lookBack(since).catch((err: unknown) => {
        if (!life.ended) this.log.warn({ err }, 'session.look_back_failed')
      })
    }
  }

  private onLine(life: Life, up: boolean) {
    clearTimeout(this.lineDown)
    if (up && life.client && this.record.status === 'disconnected') {
      this.tell(this.state.change({ status: 'connected' }, 'linked'))
      this.dispatcher.attach(life.client)
    } else if (!up && this.record.status === 'connected') {
      this.dispatcher.detach()
      this.tell(this.state.change({ status: 'disconnected' }, 'connection_lost'))
      this.lineDown = setTimeout(() => {
        if (life === this.life && !life.ended) this.comeBack('connection_lost', 'the line stayed down')
      }, this.world.timing.lineDownMs)
    }
  }

  private async onAck(event: ClientEvent & { kind: 'ack' }) {
    const { kind: _, ...ack } = event
    const id = await this.world.journal.write(() => this.world.outcomes.ack(this.record, ack))
    if (id) this.dispatcher.acked(id)
  }

  private async onMessage(body: (ClientEvent & { kind: 'message' })['body']) {
    const { journal, outcomes, events } = this.world
    const ref = { id: this.record.id, tenantId: this.record.tenantId }
    try {
      await journal.write(() => {
        // The echo of a message of ours is not one that was typed on the phone.
        const echo = body.kind === 'message_received' && body.origin === 'phone'
        if (!echo || !outcomes.isOurs(this.record.id, body.waMessageId)) events.insert(ref, body)
      })
    } catch (err) {
      // Not stored is lost, unless WhatsApp tells it again: after a restart the client looks back.
      this.log.error({ err }, 'event.not_stored')
      if (this.life && !this.life.ended) this.comeBack('event_log_full', 'an event could not be stored')
    }
  }

  private showQr(qr: QrShown | undefined) {
    if (!qr && !this.shownQr) return
    this.shownQr = qr
    this.world.qrChanged.fire()
  }

  private tell(happening: Promise<unknown>) {
    happening.catch((err: unknown) => this.log.error({ err }, 'session.failed'))
  }
}

function definedOnly<Fields extends object>(fields: Fields): { [K in keyof Fields]?: NonNullable<Fields[K]> } {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as {
    [K in keyof Fields]?: NonNullable<Fields[K]>
  }
}
