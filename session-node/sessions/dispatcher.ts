import type { MessageId, Pacing } from '../../proto/contract.js'
import { sleep, type Clock } from '../../runtime/clock.js'
import { faultPoint } from '../../runtime/fault-point.js'
import type { Logger } from '../../runtime/log.js'
import type { SessionRef } from '../journal/event-log.js'
import type { Journal } from '../journal/journal.js'
import type { OpenSend, Sends } from '../journal/sends.js'
import { Pulse } from '../pulse.js'
import type { SendOutcome, WhatsAppClient } from '../whatsapp/whatsapp-client.js'
import { Numbers } from './numbers.js'
import type { Outcomes } from './outcomes.js'
import { Pace } from './pace.js'
import { Reconciler } from './reconciler.js'
import { SendingWait } from './sending-wait.js'
import type { Timing } from './timing.js'

/** Messages of one session that wait for their first ack at most: the line's delay is not paid per message. */
const WINDOW = 32
const CHECK_RETRY_MS = 2_000
/** The queue waits this long at most for messages of unknown outcome to be looked for first, so that order holds. */
const RECONCILE_FIRST_MS = 30_000
const CAP_LOOK_MS = 60_000
const GIVEN_MS = 50

export interface DispatcherOptions {
  session: SessionRef
  pacing: () => Pacing
  journal: Journal
  sends: Sends
  outcomes: Outcomes
  /** A gateway lets it. */
  maySend: () => boolean
  timing: Timing
  clock: Clock
  /** For deadlines. */
  steady: Clock
  log: Logger
}

/** Sends the queue of one session: in order, one at a time, at its pace, while a client is attached. */
export class Dispatcher {
  private readonly changed = new Pulse()
  private readonly numbers: Numbers
  private readonly pace: Pace
  private readonly reconciler: Reconciler
  private readonly wait: SendingWait
  /** Given to the page and not acked yet; with a timer from when the page has it. */
  private readonly awaitingAck = new Map<MessageId, NodeJS.Timeout | undefined>()
  /** In the page's hands, which is not written down yet: most are acked before it would be. */
  private readonly given = new Set<MessageId>()
  private noting: NodeJS.Timeout | undefined
  private attached: { client: WhatsAppClient; abort: AbortController } | undefined
  private running: Promise<void> = Promise.resolve()
  private capTold: MessageId | undefined
  private stopped = false

  constructor(private readonly options: DispatcherOptions) {
    const { session, pacing, sends, clock, steady } = options
    this.numbers = new Numbers(steady)
    this.pace = new Pace(session, pacing, sends, clock)
    this.wait = new SendingWait(options)
    this.reconciler = new Reconciler({ ...options, numbers: this.numbers, awaitAck: (id, ms) => this.awaitAck(id, ms) })
  }

  /** The session is connected: send by this client. */
  attach(client: WhatsAppClient): void {
    if (this.attached?.client === client) return
    this.attached?.abort.abort()
    const abort = new AbortController()
    this.attached = { client, abort }
    // One loop at a time: the last one may still be waiting for a send by the old client.
    this.running = this.running
      .then(() => this.run(client, abort.signal))
      .catch((err: unknown) => this.options.log.error({ err }, 'dispatcher.ended'))
  }

  /** No further send begins. `idle` tells when the one in hand is over. */
  detach(): void {
    this.attached?.abort.abort()
    this.attached = undefined
  }

  idle(): Promise<void> {
    return this.running
  }

  /** For good: the node stops, or the session is gone. */
  stop(): void {
    this.stopped = true
    this.detach()
    for (const timer of this.awaitingAck.values()) clearTimeout(timer)
    this.awaitingAck.clear()
    clearTimeout(this.noting)
  }

  /** There may be something to do. */
  wake(): void {
    this.changed.fire()
  }

  /** There are messages of unknown outcome to look for. */
  recheck(): void {
    this.reconciler.wake()
  }

  acked(id: MessageId): void {
    clearTimeout(this.awaitingAck.get(id))
    this.given.delete(id)
    if (this.awaitingAck.delete(id)) this.wake()
  }

  private async run(client: WhatsAppClient, signal: AbortSignal): Promise<void> {
    if (signal.aborted) return
    const reconciling = this.reconciler.run(client, signal, () => this.wake())
    await Promise.race([this.reconciler.firstRound, sleep(RECONCILE_FIRST_MS, signal)])
    while (!signal.aborted) {
      try {
        await this.step(client, signal)
      } catch (err) {
        if (signal.aborted) break
        this.options.log.error({ err }, 'dispatcher.failed')
        await sleep(CHECK_RETRY_MS, signal)
      }
    }
    await reconciling
  }

  private async step(client: WhatsAppClient, signal: AbortSignal): Promise<void> {
    const version = this.changed.version
    const room = Math.min(WINDOW - this.awaitingAck.size, this.pace.burst())
    const head = room > 0 ? markedTogether(this.options.sends.queued(this.options.session.id, room)) : []
    const [first] = head
    if (!first || (await this.wait.mustWait())) return this.changed.since(version, { signal })
    const capLeftMs = this.pace.capLeftMs()
    if (capLeftMs > 0) {
      await this.tellCap(first)
      return this.changed.since(version, { signal, ms: Math.min(capLeftMs, CAP_LOOK_MS) })
    }
    const gapLeftMs = this.pace.gapLeftMs()
    // Looked at anew when the pace is changed meanwhile.
    if (gapLeftMs > 0) return this.changed.since(version, { signal, ms: gapLeftMs })
    if (!signal.aborted) await this.dispatch(client, head, signal)
  }

  private async tellCap({ id }: OpenSend) {
    if (this.capTold === id) return
    this.capTold = id
    const { journal, sends, outcomes } = this.options
    await journal.write(() => sends.find(id)?.state === 'queued' && outcomes.wait(id, 'daily_limit'))
  }

  private async dispatch(client: WhatsAppClient, head: OpenSend[], signal: AbortSignal) {
    const { journal, sends, log } = this.options
    const addressed: (OpenSend & { to: string })[] = []
    for (const send of head) {
      const to = await this.address(client, send).catch((err: unknown) => {
        log.warn({ err, message: send.id }, 'number.check_failed')
        return 'unchecked' as const
      })
      if (to === 'unchecked') break
      if (to !== undefined) addressed.push({ ...send, to })
    }
    if (addressed.length === 0) {
      if (head[0] && sends.find(head[0].id)?.state === 'queued') await sleep(CHECK_RETRY_MS, signal)
      return
    }
    if (!this.options.maySend()) return
    // On the disk before the page is touched: after a crash these may have gone out.
    const marked = await journal.write(() => {
      const moved = addressed.filter(({ id }) => sends.move(id, 'queued', 'dispatching'))
      this.pace.count(moved.length)
      return moved
    })
    faultPoint('dispatch.journaled')
    for (const [index, send] of marked.entries()) {
      if (signal.aborted || !this.options.maySend()) {
        const untouched = marked.slice(index)
        await journal.record(() => untouched.forEach(({ id }) => sends.move(id, 'dispatching', 'queued')))
        return
      }
      await this.send(client, send)
      this.pace.dispatched()
    }
  }

  /** The chat to send to; undefined when the message is over: expired, or its number is not on WhatsApp. */
  private async address(client: WhatsAppClient, send: OpenSend): Promise<string | undefined> {
    const { journal, outcomes, sends, steady } = this.options
    const expired = send.expiresAt <= steady()
    const to = expired ? undefined : await this.numbers.chatOf(client, send.message.to)
    if (to === undefined) {
      const reason = expired ? 'expired' : 'not_on_whatsapp'
      await journal.write(() => sends.find(send.id)?.state === 'queued' && outcomes.fail(send.id, reason))
    }
    return to
  }

  private async send(client: WhatsAppClient, { id, message, to }: OpenSend & { to: string }) {
    const { journal, sends, outcomes, session, timing, log } = this.options
    this.awaitingAck.set(id, undefined)
    const result = await this.outcomeOf(client.send({ ...message, to }))
    faultPoint('dispatch.sent')
    log.info({ message: id, trace: message.traceId, outcome: result.outcome }, 'message.dispatched')
    const isOpen = () => sends.find(id)?.state === 'dispatching'
    switch (result.outcome) {
      case 'dispatched':
        if (message.content.type === 'reaction') {
          // A reaction has no id of its own, so no ack comes back for it.
          const ack = { waMessageId: message.waMessageId, chatId: message.to, status: 'sent' as const }
          await journal.record(() => outcomes.ack(session, ack))
          return this.acked(id)
        }
        // The ack may have come before the outcome did.
        if (!this.awaitingAck.has(id) || this.stopped) return
        this.awaitAck(id, timing.ackMs)
        // Not waited for: after a crash it is looked for either way.
        this.given.add(id)
        this.noting ??= setTimeout(() => this.noteGiven(), GIVEN_MS)
        return
      case 'failed':
        await journal.record(() => isOpen() && outcomes.fail(id, result.reason, result.error))
        return this.acked(id)
      case 'unknown':
        await journal.record(() => isOpen() && outcomes.unknown(id, result.reason, result.error))
        this.acked(id)
        return this.recheck()
    }
  }

  private noteGiven() {
    this.noting = undefined
    const ids = [...this.given]
    this.given.clear()
    if (ids.length === 0) return
    const { journal, sends, log } = this.options
    journal
      .writeEventually(() => ids.forEach((id) => sends.move(id, 'dispatching', 'dispatched')))
      .catch((err: unknown) => log.error({ err, messages: ids }, 'dispatch.not_recorded'))
  }

  private outcomeOf(sending: Promise<SendOutcome>): Promise<SendOutcome> {
    return new Promise((resolve) => {
      const overdue = setTimeout(() => resolve({ outcome: 'unknown', reason: 'no_answer' }), this.options.timing.sendMs)
      const known = (outcome: SendOutcome) => {
        clearTimeout(overdue)
        resolve(outcome)
      }
      sending.then(known, (err: unknown) => {
        this.options.log.error({ err }, 'send.threw')
        known({ outcome: 'unknown', reason: 'outcome_unknown' })
      })
    })
  }

  private awaitAck(id: MessageId, ms: number) {
    clearTimeout(this.awaitingAck.get(id))
    // What was on its way when it stopped is looked for by the next one.
    if (this.stopped) return
    const overdue = () => {
      this.awaitingAck.delete(id)
      this.ackOverdue(id).catch((err: unknown) => this.options.log.error({ err, message: id }, 'ack_timeout.failed'))
    }
    this.awaitingAck.set(id, setTimeout(overdue, ms))
  }

  private async ackOverdue(id: MessageId) {
    const { journal, sends, outcomes } = this.options
    await journal.record(() => {
      const send = sends.find(id)
      const isGiven = send?.state === 'dispatched' || (send?.state === 'dispatching' && this.given.has(id))
      if (isGiven) outcomes.unknown(id, 'ack_timeout')
    })
    this.wake()
    this.recheck()
  }
}

/**
 * What was sent again before is marked alone: a crash takes one of the resends of all that are marked, and those behind
 * the one in the page's hands would lose theirs without ever having been touched.
 */
function markedTogether(head: OpenSend[]): OpenSend[] {
  const again = head.findIndex(({ resends }) => resends > 0)
  return again < 0 ? head : head.slice(0, Math.max(1, again))
}
