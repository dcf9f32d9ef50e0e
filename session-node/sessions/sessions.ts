import type { Decision, MessageId, NodeSession, OutgoingMessage, SessionId } from '../../proto/contract.js'
import { type Reason, takesMessages } from '../../proto/reasons.js'
import { AppError } from '../../runtime/app-error.js'
import { sleep } from '../../runtime/clock.js'
import type { Service } from '../../runtime/lifecycle.js'
import type { Send } from '../journal/sends.js'
import type { SessionRecord } from '../journal/session-rows.js'
import { bySession, type GivenMessage, type HandOverResult, refuseTooMany } from './given-messages.js'
import { Session } from './session.js'
import type { SessionWorld } from './session-world.js'

export type SessionOrder = Pick<SessionRecord, 'id' | 'tenantId' | 'name' | 'engine' | 'pacing' | 'sandbox'>

const EXPIRY_BATCH = 500

/** The sessions of this node. */
export class Sessions implements Service {
  private readonly known = new Map<SessionId, Session>()
  private stopping = new AbortController()
  private sweeping: Promise<void> = Promise.resolve()

  constructor(
    private readonly world: SessionWorld,
    private readonly limits: { capacity: number },
  ) {
    world.permit.onGranted(() => {
      for (const { dispatcher } of this.list()) dispatcher.wake()
    })
  }

  /** All sessions that ran come back, as the launch gate lets them. */
  async start(): Promise<void> {
    this.stopping = new AbortController()
    await this.doubtUnfinished()
    for (const record of this.world.rows.list()) this.known.set(record.id, new Session(record, this.world))
    for (const session of this.known.values()) session.restore()
    this.sweeping = this.sweepExpired(this.stopping.signal)
  }

  async stop(): Promise<void> {
    this.stopping.abort()
    await this.sweeping
    await Promise.all([...this.known.values()].map((session) => session.close()))
    this.known.clear()
  }

  list(): Session[] {
    return [...this.known.values()]
  }

  find(id: SessionId): Session | undefined {
    return this.known.get(id)
  }

  /** Throws `not_found`. */
  get(id: SessionId): Session {
    const session = this.known.get(id)
    if (!session) throw sessionUnknown()
    return session
  }

  /** Real sessions that run or come back by themselves: those of the sandbox take no memory to speak of. */
  load(): number {
    return this.list().filter(({ active, record }) => active && record.engine === 'wwebjs').length
  }

  /** Throws `conflict` when the id is taken by another session, `unavailable` when the node is full. */
  async startSession(order: SessionOrder, { restart = false } = {}): Promise<NodeSession> {
    for (;;) {
      const session = this.known.get(order.id) ?? this.create(order)
      this.checkSame(session.record, order)
      if (!session.active) this.checkCapacity(order)
      const { name, pacing, sandbox } = order
      // The command is accepted now, not when the update is written: its order with others is that of the calls.
      const command = restart ? session.restart() : session.start()
      await Promise.all([session.update({ name, pacing, ...(sandbox ? { sandbox } : {}) }), command])
      if (!session.deleted) return session.view()
      // Deleted while we waited for our turn: this is a new session of that id.
      this.forget(session)
    }
  }

  async deleteSession(id: SessionId): Promise<void> {
    const session = this.known.get(id)
    if (!session) return
    await session.delete()
    this.forget(session)
  }

  /** Writes messages to the journal, in one commit. Those it had already are taken on as well. */
  async handOver(id: SessionId, messages: OutgoingMessage[]): Promise<HandOverResult[]> {
    refuseTooMany(messages)
    const session = this.get(id)
    const results = await this.world.journal.write(() => messages.map((message) => this.take(session, message)))
    session.dispatcher.wake()
    if (messages.some(({ lookFirst }) => lookFirst)) session.dispatcher.recheck()
    return results
  }

  /** `handOver` for several sessions, in one commit. Those of a session that is not known here are refused. */
  async handOverAll(given: readonly GivenMessage[]): Promise<HandOverResult[]> {
    refuseTooMany(given)
    const results = await Promise.all(
      [...bySession(given)].map(async ([id, messages]): Promise<HandOverResult[]> => {
        if (this.known.has(id)) return this.handOver(id, messages)
        return messages.map(({ id: messageId }) => ({ messageId, error: sessionUnknown() }))
      }),
    )
    return results.flat()
  }

  private take(session: Session, message: OutgoingMessage): HandOverResult {
    const { sends, outcomes } = this.world
    // The gateway has accepted its messages already; what the bot brings is accepted here.
    const ready = message.origin !== 'telegram' || takesMessages(session.record.status)
    if (!ready && !sends.find(message.id)) {
      const error = new AppError('not_ready', 'The session takes no messages now.', { reason: 'session_not_ready' })
      return { messageId: message.id, error }
    }
    outcomes.take(session.record, message)
    return { messageId: message.id }
  }

  /**
   * Answers false when the message was dispatched already, which one that is held may have been: a person settles that.
   * One not seen yet is remembered, and fails when it comes.
   */
  cancel(messageId: OutgoingMessage['id']): Promise<boolean> {
    const { journal, sends, outcomes } = this.world
    return journal.write(() => {
      const send = sends.find(messageId)
      if (!send) {
        sends.bury(messageId)
        return true
      }
      if (send.state !== 'queued') return send.status === 'failed'
      outcomes.fail(messageId, 'cancelled')
      return true
    })
  }

  /**
   * A person decides about a message that is held. The same decision again does nothing. Throws `not_found` and
   * `conflict` (`not_held`).
   */
  async resolve(sessionId: SessionId, messageId: MessageId, decision: Decision): Promise<void> {
    const { journal, sends, outcomes, steady } = this.world
    const session = this.get(sessionId)
    await journal.write(() => {
      const send = sends.find(messageId)
      if (!send || send.sessionId !== sessionId) {
        throw new AppError('not_found', 'This node does not know the message.', { reason: 'message_not_found' })
      }
      if (send.state !== 'held') {
        if (isAlready(send, decision)) return
        throw new AppError('conflict', `The message is not held: it is ${send.status}.`, { reason: 'not_held' })
      }
      if (decision === 'resend') outcomes.resendAsked(messageId, steady())
      else outcomes.settled(messageId, decision)
    })
    session.dispatcher.recheck()
  }

  /**
   * Throws `not_ready` unless the session waits for a link, and `conflict` (`already_linked`) when another session has
   * this number: asking for a code could unlink it.
   */
  async pairingCode(id: SessionId, phone: string): Promise<string> {
    const session = this.get(id)
    const other = this.list().find(({ record }) => record.id !== id && record.paired && record.phone === phone)
    if (other) {
      throw new AppError('conflict', 'Another session has this number already. Log it out first.', {
        reason: 'already_linked',
      })
    }
    return session.pairingCode(phone)
  }

  /** One round: fails what waited too long. */
  async failExpired(): Promise<void> {
    const { journal, sends, outcomes, steady } = this.world
    const due = sends.expired(steady(), EXPIRY_BATCH)
    if (due.length === 0) return
    await journal.write(() => {
      for (const { id } of due) if (sends.find(id)?.state === 'queued') outcomes.fail(id, 'expired')
    })
  }

  /** No client runs until `release`, also those of sessions that are started meanwhile. */
  hold(reason: Reason): void {
    this.world.hold.reason = reason
    for (const session of this.known.values()) session.hold(reason)
  }

  release(): void {
    this.world.hold.reason = undefined
    for (const session of this.known.values()) session.release()
  }

  get held(): boolean {
    return this.world.hold.reason !== undefined
  }

  /** The event log begins anew: whoever follows it has lost sight of what was unfinished, and of every status. */
  async retellAll(): Promise<void> {
    const { journal, events, sends, outcomes } = this.world
    await journal.write(() => {
      events.beginEpoch()
      for (const session of this.list()) {
        events.insert(session.record, { kind: 'session_status', session: session.view() })
        for (const send of sends.open(session.record.id)) {
          // What was given away is not ours to look for, and to send: another node has its session.
          if (send.state === 'queued' || send.reason === 'placed_elsewhere') continue
          outcomes.unknown(send.id, 'outcome_unknown')
        }
      }
    })
    for (const { dispatcher } of this.list()) dispatcher.recheck()
  }

  /** The node ended in the middle of these: they may have gone out. */
  private doubtUnfinished(): Promise<void> {
    const { journal, rows, sends, outcomes } = this.world
    return journal.write(() => {
      for (const { id } of rows.list()) {
        for (const send of sends.open(id)) {
          if (send.state === 'dispatching') outcomes.unknown(send.id, 'outcome_unknown')
        }
      }
    })
  }

  private create(order: SessionOrder): Session {
    this.checkCapacity(order)
    const { sandbox, ...same } = order
    const record: SessionRecord = {
      ...same,
      ...(sandbox ? { sandbox } : {}),
      wanted: 'stopped',
      status: 'created',
      paired: false,
      changedAt: this.world.clock(),
    }
    const session = new Session(record, this.world)
    this.known.set(order.id, session)
    return session
  }

  private forget(session: Session) {
    const { id } = session.record
    if (this.known.get(id) === session) this.known.delete(id)
  }

  private checkCapacity({ engine }: SessionOrder) {
    if (engine === 'wwebjs' && this.load() >= this.limits.capacity) {
      throw new AppError('unavailable', 'This session node is full.', { reason: 'no_capacity' })
    }
  }

  private checkSame(record: SessionRecord, order: SessionOrder) {
    if (record.tenantId !== order.tenantId || record.engine !== order.engine) {
      throw new AppError('conflict', 'Another session has this id.', { reason: 'session_id_taken' })
    }
  }

  private async sweepExpired(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await sleep(this.world.timing.expirySweepMs, signal)
      if (signal.aborted) return
      await this.failExpired().catch((err: unknown) => this.world.log.error({ err }, 'expiry.failed'))
    }
  }
}

function sessionUnknown(): AppError {
  return new AppError('not_found', 'This node does not know the session.', { reason: 'session_not_found' })
}

/** What was asked for is so, or is under way: the answer to the first time got lost. */
function isAlready(send: Send, decision: Decision): boolean {
  if (decision === 'resend') return send.resendAsked && send.state !== 'done'
  return send.state === 'done' && (decision === 'failed') === (send.status === 'failed')
}
