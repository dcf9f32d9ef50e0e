/** Gives accepted messages to their nodes: in order per session, many at a time, until the node has taken them on. */
import type { NodeId, SessionId } from '../../proto/contract.js'
import type { Reason } from '../../proto/reasons.js'
import { toAppError } from '../../runtime/app-error.js'
import { sleep } from '../../runtime/clock.js'
import type { Service } from '../../runtime/lifecycle.js'
import { untraced } from '../../runtime/trace.js'
import type { Message } from '../messages/message.js'
import type { Session } from '../sessions/session.js'
import { FreshMessages } from './fresh-messages.js'
import { HandOverRound, type HandOverRoundOptions, MOST_MESSAGES, wasLinked } from './hand-over-round.js'

const POLL_MS = 200
const RETRY_MS = 1_000
/** Where much is sent, more shares each round: after so many messages at once a rest of so long, in which more gather. */
const rests = [
  { messages: 16, ms: 30 },
  { messages: 4, ms: 10 },
]
/** Sessions that share a call. */
const MOST_SESSIONS = 50

/** What one node is owed, a round at a time. */
interface Lane {
  due: Set<SessionId>
  running: Promise<void> | undefined
}

export class HandOver implements Service {
  private readonly lanes = new Map<NodeId, Lane>()
  /** Sessions whose next messages take longer than those of others should wait: files to be brought, a start. */
  private readonly apart = new Map<SessionId, Promise<void>>()
  private readonly restUntil = new Map<SessionId, number>()
  private readonly fresh = new FreshMessages()
  private readonly rounds: HandOverRound
  private stopping = new AbortController()
  private loop: Promise<void> = Promise.resolve()

  constructor(private readonly options: Omit<HandOverRoundOptions, 'fresh'>) {
    this.rounds = new HandOverRound({ ...options, fresh: this.fresh })
  }

  start(): Promise<void> {
    this.stopping = new AbortController()
    this.loop = this.poll(this.stopping.signal)
    return Promise.resolve()
  }

  async stop(): Promise<void> {
    this.stopping.abort()
    await this.loop
    await Promise.all([...this.lanes.values()].flatMap(({ running }) => running ?? []))
    await Promise.all(this.apart.values())
  }

  isLive(nodeId: NodeId): boolean {
    return this.options.liveNode(nodeId) !== undefined
  }

  /** A message of this session was stored: this one, if it is new. */
  wake({ id, nodeId }: Pick<Session, 'id' | 'nodeId'>, message?: Message): void {
    // One that goes apart is looked at again once it is done.
    if (this.stopping.signal.aborted || !this.isLive(nodeId) || this.apart.has(id)) return
    if (message) this.fresh.add(message)
    const lane = this.lanes.get(nodeId) ?? { due: new Set(), running: undefined }
    this.lanes.set(nodeId, lane)
    lane.due.add(id)
    lane.running ??= untraced(() => this.drain(nodeId, lane))
  }

  /** One round: what other gateways accepted, what waited for its node, and what waited too long. */
  async handOverDue(): Promise<void> {
    const { messages, sessions, time } = this.options
    const now = performance.now()
    for (const [id, until] of this.restUntil) if (until <= now) this.restUntil.delete(id)
    const awaiting = (await messages.sessionsAwaiting()).filter((id) => !this.apart.has(id) && !this.restUntil.has(id))
    const found = new Map((await sessions.placesOf(awaiting)).map((session) => [session.id, session]))
    const suspended = await this.rounds.suspendedOf(found.values())
    for (const id of awaiting) {
      const session = found.get(id)
      if (!session || session.wanted === 'deleted')
        await this.fail(await messages.awaiting(id, MOST_MESSAGES), 'session_deleted', () => true)
      else if (this.isLive(session.nodeId) && wasLinked(session) && !suspended.has(session.tenantId)) this.wake(session)
      else {
        // The node cannot have these, so that nobody else will tell that their time is up.
        const waiting = await messages.unofferedExpired(id, time(), MOST_MESSAGES)
        await this.fail(waiting, 'expired', ({ offered }) => !offered)
      }
    }
  }

  private async poll(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await this.handOverDue().catch((err: unknown) => this.options.log.warn({ err }, 'hand_over.not_looked'))
      await sleep(POLL_MS, signal)
    }
  }

  private async drain(nodeId: NodeId, lane: Lane): Promise<void> {
    // At the end of this turn of the event loop: what is accepted together is handed over together.
    await new Promise((resolve) => setImmediate(resolve))
    while (lane.due.size > 0 && !this.stopping.signal.aborted) {
      const ids = [...lane.due].slice(0, MOST_SESSIONS)
      for (const id of ids) lane.due.delete(id)
      const given = await this.handOver(nodeId, ids, lane)
      const rest = rests.find(({ messages }) => given >= messages)
      // A round that was full shows that enough waits as it is.
      if (rest && given < MOST_MESSAGES / 2) await sleep(rest.ms, this.stopping.signal)
    }
    // In the same turn as the last look at what is due: who comes after it starts anew.
    lane.running = undefined
  }

  /** Answers how many messages the node was given. */
  private async handOver(nodeId: NodeId, ids: SessionId[], lane: Lane): Promise<number> {
    try {
      const { given, more, slow } = await this.rounds.handOver(nodeId, ids)
      for (const id of ids) this.restUntil.delete(id)
      for (const id of more) lane.due.add(id)
      for (const id of slow) {
        lane.due.delete(id)
        this.goApart(nodeId, id)
      }
      return given
    } catch (err) {
      if (ids.length === 1 || isAway(err)) {
        this.failed(ids, err)
        return 0
      }
      // One of them is to blame, and the others need not wait for it.
      let given = 0
      for (const id of ids) given += await this.handOver(nodeId, [id], lane)
      return given
    }
  }

  /** Does not keep the other sessions of its node waiting. */
  private goApart(nodeId: NodeId, id: SessionId): void {
    const going = this.rounds
      .handOverSlowly(nodeId, id)
      .catch((err: unknown) => this.failed([id], err))
      .finally(() => {
        this.apart.delete(id)
        if ((this.restUntil.get(id) ?? 0) <= performance.now()) this.wake({ id, nodeId })
      })
    this.apart.set(id, going)
  }

  private fail(waiting: Message[], reason: Reason, certain: (message: Message) => boolean): Promise<void> {
    const ids = waiting.map(({ id }) => id)
    return this.options.unsent.end(ids, (message) => (certain(message) ? { status: 'failed', reason } : null))
  }

  private failed(ids: readonly SessionId[], err: unknown): void {
    for (const id of ids) this.restUntil.set(id, performance.now() + RETRY_MS)
    this.options.log.warn({ err, sessions: ids }, 'hand_over.failed')
  }
}

/** The node, or the database, does not answer at all: asking for each session by itself would not help. */
function isAway(error: unknown): boolean {
  const { code } = toAppError(error)
  return code === 'unavailable' || code === 'timeout'
}
