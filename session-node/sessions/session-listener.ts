import type { QrShown } from '../../proto/contract.js'
import { faultPoint } from '../../runtime/fault-point.js'
import type { Logger } from '../../runtime/log.js'
import type { WhatsAppClient } from '../whatsapp/whatsapp-client.js'
import type { Dispatcher } from './dispatcher.js'
import { LookBack } from './look-back.js'
import type { SessionState } from './session-state.js'
import type { SessionWorld } from './session-world.js'
import type { LivingEvent, Supervisor } from './supervisor.js'

type Told<Kind extends LivingEvent['kind']> = Extract<LivingEvent, { kind: Kind }>

export interface SessionListenerOptions {
  state: SessionState
  dispatcher: Dispatcher
  supervisor: Supervisor
  world: SessionWorld
  log: Logger
}

/** What a session makes of what its client tells. Events go to the log before anything else is done with them. */
export class SessionListener {
  private readonly lookBack: LookBack
  private lineDown: NodeJS.Timeout | undefined
  private shown: QrShown | undefined

  constructor(private readonly options: SessionListenerOptions) {
    const { state, supervisor, world, log } = options
    this.lookBack = new LookBack({ state, world, isCurrent: (client) => supervisor.client === client, log })
  }

  /** The newest QR, while there is one. */
  get qr(): QrShown | undefined {
    return this.shown
  }

  hear(event: LivingEvent, client: WhatsAppClient): void {
    const { state, supervisor } = this.options
    switch (event.kind) {
      case 'qr':
        this.showQr({ sessionId: state.record.id, qr: event.qr, expiresAt: event.expiresAt })
        return this.tell(state.change({ status: 'qr_pending' }, 'qr_shown'))
      case 'authenticated':
        this.showQr(undefined)
        if (state.record.status === 'connected') return
        return this.tell(state.change({ status: 'starting' }, 'syncing'))
      case 'connected':
        return this.onConnected(event, client)
      case 'line':
        return this.onLine(event.up, client)
      case 'logged_out':
        supervisor.discardProfile()
        return supervisor.giveUp({ status: 'logged_out', paired: false }, event.reason)
      case 'blocked':
        return supervisor.giveUp({ status: 'failed', ...(event.detail ? { detail: event.detail } : {}) }, event.reason)
      case 'qr_expired':
        return supervisor.giveUp({ status: 'stopped' }, 'qr_expired')
      case 'ack':
        return this.tell(this.onAck(event))
      case 'message':
        return this.tell(this.onMessage(event))
    }
  }

  /** The client of a life that ended is not used any more. Resolves when its last send is over. */
  silence(): Promise<void> {
    const { dispatcher } = this.options
    dispatcher.detach()
    this.lookBack.cancel()
    clearTimeout(this.lineDown)
    this.showQr(undefined)
    return dispatcher.idle()
  }

  private onConnected({ phone, lid, pushName, webVersion }: Told<'connected'>, client: WhatsAppClient) {
    const { state, supervisor, dispatcher, world } = this.options
    const before = state.record
    const changes = {
      phone,
      paired: true,
      ...(lid === undefined ? {} : { lid }),
      ...(pushName === undefined ? {} : { pushName }),
      ...(webVersion === undefined ? {} : { webVersion }),
      ...(before.status === 'connected' ? {} : { connectedAt: world.clock() }),
      // A number that is linked anew owes nothing of what was before.
      ...(before.paired ? {} : { lookBackFrom: undefined }),
    }
    this.showQr(undefined)
    clearTimeout(this.lineDown)
    supervisor.connected()
    if (before.phone !== undefined && before.phone !== phone) {
      this.tell(world.journal.record(() => world.outcomes.failOpen(before.id, 'number_changed')))
    }
    const attach = () => {
      if (supervisor.client !== client) return
      // Also when it was attached before: a page that loaded itself anew has forgotten what it was given.
      dispatcher.detach()
      dispatcher.attach(client)
    }
    this.tell(state.change({ status: 'connected', ...changes }, 'linked').then(attach))
    if (before.paired) this.tell(this.lookBack.run(client))
  }

  private onLine(up: boolean, client: WhatsAppClient) {
    const { state, supervisor, dispatcher, world } = this.options
    clearTimeout(this.lineDown)
    if (up && state.record.status === 'disconnected') {
      this.tell(state.change({ status: 'connected' }, 'linked'))
      dispatcher.attach(client)
    } else if (!up && state.record.status === 'connected') {
      dispatcher.detach()
      this.tell(state.change({ status: 'disconnected' }, 'connection_lost'))
      this.lineDown = setTimeout(() => {
        if (supervisor.client === client) supervisor.comeBack('connection_lost', 'the line stayed down')
      }, world.timing.lineDownMs)
    }
  }

  private async onAck({ kind: _, ...ack }: Told<'ack'>) {
    const { state, dispatcher, world } = this.options
    faultPoint('ack.heard')
    const id = await world.journal.record(() => world.outcomes.ack(state.record, ack))
    if (id) dispatcher.acked(id)
  }

  private async onMessage({ body }: Told<'message'>) {
    const { state, supervisor, world, log } = this.options
    const session = state.record
    try {
      await world.journal.write(() => {
        // The echo of a message of ours is not one that was typed on the phone.
        const echo = body.kind === 'message_received' && body.origin === 'phone'
        if (!echo || !world.outcomes.isOurs(session.id, body.waMessageId)) world.events.insert(session, body)
      })
    } catch (err) {
      // Lost, unless WhatsApp tells it again: after a restart the client looks back.
      log.error({ err }, 'event.not_stored')
      if (supervisor.alive) supervisor.comeBack('event_log_full', 'an event could not be stored')
    }
  }

  private showQr(qr: QrShown | undefined) {
    if (!qr && !this.shown) return
    this.shown = qr
    this.options.world.qrChanged.fire()
  }

  private tell(happening: Promise<unknown>) {
    happening.catch((err: unknown) => this.options.log.error({ err }, 'session.failed'))
  }
}
