/** Gives accepted messages to their nodes: in order per session, many at a time, until the node has taken them on. */
import type { MessageId, NodeId, OutgoingMessage, SessionId } from '../../proto/contract.js'
import { contentForNode, type Message, storedMediaOf } from '../messages/message.js'
import type { MediaId } from '../messages/message.js'
import { outgoingToProto } from '../../proto/mapping.js'
import { toAppError } from '../../runtime/app-error.js'
import { type Clock, sleep } from '../../runtime/clock.js'
import type { Service } from '../../runtime/lifecycle.js'
import { faultPoint } from '../../runtime/fault-point.js'
import type { Logger } from '../../runtime/log.js'
import type { Database } from '../db/database.js'
import type { EventRepository } from '../events/event-repository.js'
import { MessageBatch } from '../messages/message-events.js'
import { statusEvent } from '../messages/message-told.js'
import type { MessageNews } from '../messages/message-news.js'
import type { MessageRepository } from '../messages/message-repository.js'
import type { Session } from '../sessions/session.js'
import type { LiveNode } from './node-links.js'

const POLL_MS = 200
const MOST_MESSAGES = 200
/** Half of what a gRPC message may hold. */
const MOST_BYTES = 2 * 2 ** 20
const RETRY_MS = 1_000

export interface HandOverOptions {
  db: Database
  messages: MessageRepository
  events: EventRepository
  news: MessageNews
  sessions: {
    find: (id: SessionId) => Promise<Session | null>
    /** Makes a session that its node has forgotten known to it again. */
    startAgain: (session: Session) => Promise<void>
  }
  media: { giveToNode: (node: LiveNode, ids: readonly MediaId[]) => Promise<void> }
  liveNode: (nodeId: NodeId) => LiveNode | undefined
  clock: Clock
  log: Logger
}

export class HandOver implements Service {
  private readonly draining = new Map<SessionId, { again: boolean; done: Promise<void> }>()
  private readonly restUntil = new Map<SessionId, number>()
  private stopping = new AbortController()
  private loop: Promise<void> = Promise.resolve()

  constructor(private readonly options: HandOverOptions) {}

  start(): Promise<void> {
    this.stopping = new AbortController()
    this.loop = this.poll(this.stopping.signal)
    return Promise.resolve()
  }

  async stop(): Promise<void> {
    this.stopping.abort()
    await this.loop
    await Promise.all([...this.draining.values()].map(({ done }) => done))
  }

  isLive(nodeId: NodeId): boolean {
    return this.options.liveNode(nodeId) !== undefined
  }

  /** A message of this session was stored. */
  wake(session: Pick<Session, 'id' | 'nodeId'>): void {
    if (this.stopping.signal.aborted || !this.isLive(session.nodeId)) return
    const running = this.draining.get(session.id)
    if (running) {
      running.again = true
      return
    }
    const drain = { again: false, done: Promise.resolve() }
    this.draining.set(session.id, drain)
    drain.done = this.drain(session.id, drain).finally(() => this.draining.delete(session.id))
  }

  /** One round: what other gateways accepted, what waited for its node, and what waited too long. */
  async handOverDue(): Promise<void> {
    const { messages, sessions, clock } = this.options
    for (const id of await messages.sessionsAwaiting()) {
      if (this.draining.has(id) || (this.restUntil.get(id) ?? 0) > performance.now()) continue
      const session = await sessions.find(id)
      if (!session || session.wanted === 'deleted')
        await this.failWaiting(await messages.awaiting(id, MOST_MESSAGES), 'session_deleted', () => true)
      else if (this.isLive(session.nodeId) && wasLinked(session)) this.wake(session)
      else {
        // The node cannot have these, so that nobody else will tell that their time is up.
        const waiting = await messages.unofferedExpired(id, clock(), MOST_MESSAGES)
        await this.failWaiting(waiting, 'expired', ({ offered }) => !offered)
      }
    }
  }

  private async poll(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await this.handOverDue().catch((err: unknown) => this.options.log.warn({ err }, 'hand_over.not_looked'))
      await sleep(POLL_MS, signal)
    }
  }

  private async drain(sessionId: SessionId, drain: { again: boolean }): Promise<void> {
    try {
      do {
        drain.again = false
        while (await this.handOverSome(sessionId)) continue
      } while (drain.again && !this.stopping.signal.aborted)
      this.restUntil.delete(sessionId)
    } catch (err) {
      this.restUntil.set(sessionId, performance.now() + RETRY_MS)
      this.options.log.warn({ err, session: sessionId }, 'hand_over.failed')
    }
  }

  /** Answers whether there may be more. */
  private async handOverSome(sessionId: SessionId): Promise<boolean> {
    const { messages, sessions, db, clock, log } = this.options
    if (this.stopping.signal.aborted) return false
    const waiting = await messages.awaiting(sessionId, MOST_MESSAGES)
    if (waiting.length === 0) return false
    const session = await sessions.find(sessionId)
    const node = session && this.options.liveNode(session.nodeId)
    if (!session || !node || session.wanted === 'deleted' || !wasLinked(session)) return false

    const batch = withinBytes(waiting, MOST_BYTES)
    // Accepted while the node was away: from here on it may have them.
    const first = batch.filter(({ offered }) => !offered).map(({ id }) => id)
    if (first.length > 0) await db.write((tx) => messages.markOffered(tx, first))
    const files = batch.flatMap(({ content }) => storedMediaOf(content)?.id ?? [])
    if (files.length > 0) await this.options.media.giveToNode(node, files)

    const outgoing = batch.map((message) => outgoingToProto(toOutgoing(message, clock())))
    const send = () => node.client.call('SendMessages', { sessionId, messages: outgoing })
    const { results } = await send().catch(async (error: unknown) => {
      if (toAppError(error).code !== 'not_found') throw error
      log.warn({ session: sessionId, node: node.nodeId }, 'hand_over.session_unknown')
      await sessions.startAgain(session)
      return send()
    })
    faultPoint('hand_over.answered')
    const refused = results.find(({ errorCode }) => errorCode !== '')
    const taken = results.filter(({ errorCode }) => errorCode === '').map(({ messageId }) => messageId as MessageId)
    if (taken.length > 0) await db.write((tx) => messages.markTaken(tx, taken, node.epoch, clock()))
    if (refused) throw new Error(`The node did not take a message on: ${refused.errorCode} ${refused.error}`)
    return waiting.length === MOST_MESSAGES || batch.length < waiting.length
  }

  private async failWaiting(waiting: Message[], reason: string, certain: (message: Message) => boolean): Promise<void> {
    if (waiting.length === 0) return
    const { db, messages, events, news, clock } = this.options
    const at = clock()
    const failed = await db.write(async (tx) => {
      const ids = waiting.map(({ id }) => id)
      await messages.lock(tx, ids)
      const newest = await messages.byIds(tx, ids)
      const batch = new MessageBatch(newest)
      const still = newest.filter((message) => message.awaiting && certain(message))
      const moved = still.flatMap((message) => batch.move(message, { status: 'failed', reason, at }) ?? [])
      await messages.change(tx, batch.changes())
      await messages.addHistory(tx, batch.history)
      await events.add(
        tx,
        moved.map((message) => statusEvent(message, at)),
        at,
      )
      return moved
    })
    news.publish(failed)
  }
}

function toOutgoing(message: Message, now: number): OutgoingMessage {
  const { id, waMessageId, chatId, content, replyToWaId, mentions, origin, onUnknown, expiresAt } = message
  return {
    id,
    waMessageId,
    to: message.toId ?? chatId,
    content: contentForNode(content),
    ...(replyToWaId ? { replyTo: replyToWaId } : {}),
    mentions,
    // At least a moment: the node is the one to say that it expired, because it may have it already.
    expiresInMs: Math.max(1, (expiresAt ?? now) - now),
    origin,
    onUnknown,
    ...(message.status === 'unknown' ? { lookFirst: true } : {}),
  }
}

/**
 * Since it is on its node. A node that never had the number linked could not tell that it is another one now, and would
 * send from it what was meant for the one before.
 */
function wasLinked({ connectedAt }: Session): boolean {
  return connectedAt !== null
}

/** As many of the oldest as fit, and one in any case. */
function withinBytes(messages: readonly Message[], most: number): Message[] {
  let bytes = 0
  const fitting = messages.findIndex(
    ({ content }) => (bytes += 512 + Buffer.byteLength(JSON.stringify(content))) > most,
  )
  return fitting < 0 ? [...messages] : messages.slice(0, Math.max(1, fitting))
}
