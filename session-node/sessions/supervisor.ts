import type { Reason } from '../../proto/reasons.js'
import { sleep } from '../../runtime/clock.js'
import type { Logger } from '../../runtime/log.js'
import type { ClientEvent, Usage, WhatsAppClient } from '../whatsapp/whatsapp-client.js'
import { Life } from './life.js'
import { owedFrom } from './look-back.js'
import { Restarts } from './restarts.js'
import type { Serial } from './serial.js'
import type { SessionState, StatusChange } from './session-state.js'
import type { SessionWorld } from './session-world.js'

/** What a client tells while it lives. Its death is the supervisor's own matter. */
export type LivingEvent = Exclude<ClientEvent, { kind: 'died' }>

export interface SupervisorOptions {
  state: SessionState
  world: SessionWorld
  /** Commands and teardowns of the session run one after the other in here. */
  serial: Serial
  onEvent: (event: LivingEvent, client: WhatsAppClient) => void
  /** The client is not heard any more. Resolves when nothing uses it. */
  onSilence: () => Promise<void>
  log: Logger
}

/** Keeps a client of the session alive while it is wanted: one generation after the other, never two at once. */
export class Supervisor {
  private readonly restarts: Restarts
  private life: Life | undefined
  private generation = 0
  private retry: NodeJS.Timeout | undefined
  private discardDue = false
  private closed = false

  constructor(private readonly options: SupervisorOptions) {
    this.restarts = new Restarts(options.world.timing, options.world.steady)
  }

  /** The client that is alive. */
  get client(): WhatsAppClient | undefined {
    return this.alive ? this.life?.client : undefined
  }

  get alive(): boolean {
    return this.life !== undefined && !this.life.ended
  }

  /** What its browser took at the last look. */
  get usage(): Usage | undefined {
    return this.alive ? this.life?.usage : undefined
  }

  /** Somebody asked for it: what happened before does not count. */
  forgive(): void {
    clearTimeout(this.retry)
    this.restarts.reset()
  }

  connected(): void {
    this.restarts.connected()
  }

  /** The profile goes with the life that ends next. */
  discardProfile(): void {
    this.discardDue = true
  }

  /** Only when nothing is alive. */
  launch(): void {
    const { world, state, log } = this.options
    if (world.hold.reason) return this.tell(state.change({ status: 'disconnected' }, world.hold.reason))
    const { id, engine, sandbox } = state.record
    const gate = engine === 'wwebjs' ? world.gate : undefined
    const waits = gate && !gate.isFree
    // Before anything is heard live, which would make it look as if nothing had been missed.
    const owed = state.record.paired ? { lookBackFrom: owedFrom(state.record, world) } : {}
    this.tell(state.change({ status: 'starting', ...owed }, waits ? 'waiting_for_launch' : 'starting'))
    const life = new Life({
      generation: ++this.generation,
      client: {
        sessionId: id,
        engine,
        profileDir: world.profiles.directoryOf(id),
        media: world.media,
        clock: world.clock,
        isOurs: (waMessageId) => world.outcomes.isOurs(id, waMessageId),
        ...(sandbox ? { sandbox } : {}),
      },
      makeClient: world.makeClient,
      gate,
      timing: world.timing,
      log,
      onLaunching: () => this.tell(state.change({ status: 'starting' }, 'starting')),
      onEvent: (event) => this.hear(life, event),
      isConnected: () => state.record.status === 'connected',
    })
    this.life = life
    life.begin()
  }

  /** Nothing that the client still says is heard. `end` follows. */
  silence(): void {
    this.life?.end()
    void this.options.onSilence()
  }

  /** Throws `unavailable` when the client cannot be proven gone; it is tried again by itself. */
  async end(): Promise<void> {
    const { life } = this
    if (!life) return this.discard()
    life.end()
    const late = new AbortController()
    await Promise.race([this.options.onSilence(), sleep(this.options.world.timing.idleMs, late.signal)])
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

  /** Over, for a reason that only a person can mend: the client goes, and nothing brings it back by itself. */
  giveUp(change: StatusChange, reason: Reason): void {
    const { state, serial } = this.options
    this.silence()
    this.tell(state.change({ ...change, wanted: 'stopped' }, reason))
    this.tell(serial.run(() => this.endIfOver()))
  }

  /** Nothing may run on this node for now: it ends, and `release` brings it back. */
  hold(reason: Reason): void {
    const { state, serial } = this.options
    clearTimeout(this.retry)
    this.silence()
    this.tell(state.change({ status: 'disconnected' }, reason))
    this.tell(serial.run(() => this.endIfOver()))
  }

  release(): void {
    this.tell(this.options.serial.run(() => this.tryAgain()))
  }

  /** It comes back by itself, after a while. */
  comeBack(reason: Reason, detail: string): void {
    const { state, serial, world, log } = this.options
    this.silence()
    const { waitMs, attempt, broken } = this.restarts.next()
    const next = new Date(world.clock() + waitMs).toISOString()
    // Each fifth one is for somebody to look at.
    log[attempt % 5 === 0 ? 'error' : 'warn']({ reason, detail, attempt, waitMs, broken }, 'session.died')
    const told = `${detail} (restart ${attempt} at ${next})`
    world.onRestart(reason)
    this.tell(state.change({ status: 'disconnected', detail: told }, reason))
    this.tell(serial.run(() => this.endIfOver()))
    this.retryIn(waitMs)
  }

  /** For good. Never throws: what cannot be ended is logged. */
  async close(): Promise<void> {
    this.closed = true
    clearTimeout(this.retry)
    await this.end().catch((err: unknown) => this.options.log.error({ err }, 'session.not_torn_down'))
  }

  private hear(life: Life, event: ClientEvent) {
    if (life !== this.life) return
    if (event.kind === 'died') this.comeBack(event.reason, event.detail)
    else if (life.client) this.options.onEvent(event, life.client)
  }

  private async endIfOver() {
    if (!this.alive) await this.end()
  }

  private retryIn(waitMs: number) {
    clearTimeout(this.retry)
    if (this.closed) return
    this.retry = setTimeout(() => this.tell(this.options.serial.run(() => this.tryAgain())), waitMs)
  }

  private async tryAgain() {
    const { state } = this.options
    const wanted = () => state.record.wanted === 'running'
    if (this.closed || this.alive) return
    try {
      await this.end()
    } catch (error) {
      if (wanted()) await state.change({ status: 'disconnected' }, 'browser_stuck')
      throw error
    }
    if (wanted()) this.launch()
  }

  private async discard() {
    if (!this.discardDue) return
    await this.options.world.profiles.discard(this.options.state.record.id)
    this.discardDue = false
  }

  private tell(happening: Promise<unknown>) {
    happening.catch((err: unknown) => this.options.log.error({ err }, 'session.failed'))
  }
}
