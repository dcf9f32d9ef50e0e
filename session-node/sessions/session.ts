import type { NodeSession, QrShown } from '../../proto/contract.js'
import type { Reason } from '../../proto/reasons.js'
import { AppError } from '../../runtime/app-error.js'
import { sleep } from '../../runtime/clock.js'
import type { Logger } from '../../runtime/log.js'
import type { SessionRecord } from '../journal/session-rows.js'
import type { Usage, WhatsAppClient } from '../whatsapp/whatsapp-client.js'
import { Dispatcher } from './dispatcher.js'
import { Serial } from './serial.js'
import { SessionListener } from './session-listener.js'
import { SessionState } from './session-state.js'
import type { SessionWorld } from './session-world.js'
import { Supervisor } from './supervisor.js'

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
  private readonly supervisor: Supervisor
  private readonly log: Logger
  private accepted = 0
  private readonly listener: SessionListener
  private closed = false
  private gone = false

  constructor(
    record: SessionRecord,
    private readonly world: SessionWorld,
  ) {
    this.log = world.log.child({ session: record.id })
    this.state = new SessionState(record, world, this.log)
    this.dispatcher = new Dispatcher({
      ...world,
      session: { id: record.id, tenantId: record.tenantId },
      pacing: () => this.record.pacing,
      maySend: () => world.permit.allows(record.id),
      log: this.log,
    })
    this.supervisor = new Supervisor({
      state: this.state,
      world,
      serial: this.serial,
      onEvent: (event, client) => this.listener.hear(event, client),
      onSilence: () => this.listener.silence(),
      log: this.log,
    })
    const { state, dispatcher, supervisor, log } = this
    this.listener = new SessionListener({ state, dispatcher, supervisor, world, log })
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

  /** What its browser took at the last look. */
  get usage(): Usage | undefined {
    return this.supervisor.usage
  }

  view(): NodeSession {
    return this.state.view()
  }

  qr(): QrShown | undefined {
    return this.listener.qr
  }

  /** The client that is connected. Throws `not_ready`. */
  connectedClient(): WhatsAppClient {
    const { client } = this.supervisor
    if (this.record.status === 'connected' && client) return client
    throw new AppError('not_ready', 'The session is not connected.', { reason: 'session_not_connected' })
  }

  /** The client that runs. Throws `not_ready`. */
  runningClient(): WhatsAppClient {
    const { client } = this.supervisor
    if (client) return client
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
      if (this.supervisor.alive) return
      await this.state.update({ wanted: 'running' })
      this.supervisor.forgive()
      await this.supervisor.end()
      this.supervisor.launch()
    })
  }

  restart(): Promise<void> {
    return this.command(async () => {
      await this.state.update({ wanted: 'running' })
      this.supervisor.forgive()
      if (this.supervisor.alive) await this.state.change({ status: 'disconnected' }, 'restart_requested')
      await this.supervisor.end()
      this.supervisor.launch()
    })
  }

  stop(reason: 'stopped_by_request' | 'placed_elsewhere' = 'stopped_by_request'): Promise<void> {
    return this.command(async () => {
      await this.state.update({ wanted: 'stopped' })
      await this.supervisor.end()
      const { journal, outcomes } = this.world
      if (reason === 'placed_elsewhere') await journal.write(() => outcomes.giveAway(this.record.id))
      // An unlinked session stays one: there is nothing to start again without a new link.
      if (this.record.status === 'logged_out') return
      await this.state.change({ status: 'stopped' }, reason)
    })
  }

  logout(): Promise<void> {
    return this.command(
      async () => {
        await this.state.update({ wanted: 'stopped' })
        await this.endLink()
        await this.state.change({ status: 'logged_out', paired: false }, 'logged_out_by_request')
      },
      { always: true },
    )
  }

  delete(): Promise<void> {
    return this.command(
      async () => {
        await this.state.update({ wanted: 'stopped' })
        await this.endLink()
        this.dispatcher.stop()
        const { journal, outcomes, rows, media } = this.world
        const files = rows.mediaOf(this.record.id)
        await journal.write(() => {
          outcomes.failOpen(this.record.id, 'session_deleted')
          rows.remove(this.record.id)
        })
        this.gone = true
        await media.release(files)
      },
      { always: true },
    )
  }

  /** What may change while it runs. */
  async update(changes: Partial<Pick<SessionRecord, 'name' | 'pacing' | 'sandbox'>>): Promise<void> {
    if (this.gone) return
    await this.state.update(changes)
    this.dispatcher.wake()
  }

  /** At the start of the node: as it was before. */
  restore(): void {
    if (this.active) return this.supervisor.launch()
    if (!['starting', 'qr_pending', 'connected', 'disconnected'].includes(this.record.status)) return
    // The node ended in the middle of a stop.
    this.state.change({ status: 'stopped' }, 'stopped_by_request').catch((err: unknown) => {
      this.log.error({ err }, 'session.not_restored')
    })
  }

  /** Nothing may run on this node for now. */
  hold(reason: Reason): void {
    if (this.active && !this.closed) this.supervisor.hold(reason)
  }

  release(): void {
    if (this.active) this.supervisor.release()
  }

  /** At the end of the node: everything of it ends, and it comes back with the node. */
  close(): Promise<void> {
    this.closed = true
    return this.serial.run(async () => {
      const wasAlive = this.supervisor.alive
      await this.supervisor.close()
      this.dispatcher.stop()
      if (wasAlive) await this.state.change({ status: 'disconnected' }, 'node_stopping')
    })
  }

  private command(work: () => Promise<void>, { always = false } = {}): Promise<void> {
    const ticket = ++this.accepted
    return this.serial.run(async () => {
      if (this.closed) {
        throw new AppError('unavailable', 'The session node is shutting down.', { reason: 'node_stopping' })
      }
      if (!this.gone && (always || ticket === this.accepted)) await work()
    })
  }

  /** At WhatsApp too when the line is up: the phone would go on showing a linked device that is none. */
  private async endLink(): Promise<void> {
    const client = this.record.status === 'connected' ? this.supervisor.client : undefined
    this.supervisor.silence()
    this.supervisor.discardProfile()
    if (client) await this.unlink(client)
    await this.supervisor.end()
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
}
