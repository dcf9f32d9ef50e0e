/** One hand-over: what sessions of one node have waiting is read, offered, taken on by the node, and marked as taken. */
import type { MessageId, NodeId, OutgoingMessage, SessionId, TenantId } from '../../proto/contract.js'
import { outgoingToProto } from '../../proto/mapping.js'
import { explain } from '../../proto/reasons.js'
import { AppError } from '../../runtime/app-error.js'
import type { Clock } from '../../runtime/clock.js'
import { faultPoint } from '../../runtime/fault-point.js'
import type { Logger } from '../../runtime/log.js'
import type { Database } from '../db/database.js'
import { contentForNode, type MediaId, type Message, storedMediaOf } from '../messages/message.js'
import type { Awaiting, MessageRepository } from '../messages/message-repository.js'
import type { SessionPlace } from '../sessions/session.js'
import type { FreshMessages } from './fresh-messages.js'
import type { LiveNode } from './node-links.js'
import type { UnsentMessages } from './unsent-messages.js'

export const MOST_MESSAGES = 200
/** Half of what a gRPC message may hold. */
const MOST_BYTES = 2 * 2 ** 20

export interface HandOverRoundOptions {
  db: Database
  messages: MessageRepository
  sessions: {
    /** Deleted ones too. */
    placesOf: (ids: readonly SessionId[]) => Promise<SessionPlace[]>
    /** Makes a session that its node has forgotten known to it again. */
    startAgain: (id: SessionId) => Promise<void>
  }
  unsent: Pick<UnsentMessages, 'end'>
  media: { giveToNode: (node: LiveNode, ids: readonly MediaId[]) => Promise<void> }
  liveNode: (nodeId: NodeId) => LiveNode | undefined
  /** From memory: its messages wait. */
  isSuspended: (tenantId: TenantId) => Promise<boolean>
  fresh: Pick<FreshMessages, 'take'>
  /** For what is due, however the wall clock is set. */
  time: Clock
  log: Logger
}

/** What was done, and what is left to do. */
interface Round {
  /** So many messages were handed over. */
  given: number
  /** Sessions that may have more waiting. */
  more: SessionId[]
  /** Sessions that `handOverSlowly` is for. */
  slow: SessionId[]
}

type Outgoing = ReturnType<typeof outgoingToProto>

/** What a node says of a message; without an error it has it. */
interface HandOverResult {
  messageId: string
  errorCode: string
  error: string
}

const nothing: Round = { given: 0, more: [], slow: [] }

export class HandOverRound {
  constructor(private readonly options: HandOverRoundOptions) {}

  /** The oldest of each of these sessions, in one call. Throws when the node took nothing on. */
  async handOver(nodeId: NodeId, ids: readonly SessionId[]): Promise<Round> {
    const limit = Math.max(1, Math.floor(MOST_MESSAGES / ids.length))
    const { node, sessions, waiting, full } = await this.look(nodeId, ids, limit)
    if (!node || waiting.length === 0) return nothing
    const slow = new Set(waiting.filter(({ content }) => storedMediaOf(content)?.id).map(({ sessionId }) => sessionId))
    const quick = waiting.filter(({ sessionId }) => !slow.has(sessionId))
    const batch = withinBytes(quick, MOST_BYTES)
    for (const id of await this.give(node, batch)) slow.add(id)

    const left = new Set(quick.slice(batch.length).map(({ sessionId }) => sessionId))
    const more = [...sessions.keys()].filter((id) => !slow.has(id) && (left.has(id) || full.has(id)))
    return { given: batch.length, more, slow: [...slow] }
  }

  /** All of one session: its files are brought to the node first, and if the node has forgotten it, it is started again. */
  async handOverSlowly(nodeId: NodeId, id: SessionId): Promise<void> {
    const { node, sessions, waiting } = await this.look(nodeId, [id], MOST_MESSAGES)
    if (!node || !sessions.has(id) || waiting.length === 0) return
    // From here on the node may have them, and only it says what becomes of them.
    const batch = await this.markOffered(withinBytes(waiting, MOST_BYTES))
    const files = batch.flatMap(({ content }) => storedMediaOf(content)?.id ?? [])
    if (files.length > 0) await this.options.media.giveToNode(node, files)
    if ((await this.give(node, batch)).length === 0) return
    this.options.log.warn({ session: id, node: nodeId }, 'hand_over.session_unknown')
    await this.options.sessions.startAgain(id)
    if ((await this.give(node, batch)).length > 0) throw new Error('The node does not know the session')
  }

  /** The tenants of these sessions whose messages wait. */
  async suspendedOf(sessions: Iterable<SessionPlace>): Promise<ReadonlySet<TenantId>> {
    const suspended = new Set<TenantId>()
    for (const tenantId of new Set([...sessions].map((session) => session.tenantId))) {
      if (await this.options.isSuspended(tenantId)) suspended.add(tenantId)
    }
    return suspended
  }

  /** What may be handed over now. `full`: sessions that may have more than that. */
  private async look(nodeId: NodeId, ids: readonly SessionId[], limit: number) {
    const { messages, sessions, liveNode } = this.options
    const node = liveNode(nodeId)
    // Before the rows are read, which may say so in between.
    const taken = node?.taken.snapshot() ?? new Map<MessageId, SessionId>()
    const most = limit + mostOfOne(taken.values())
    const [rows, found] = await Promise.all([messages.awaitingOf(ids, most), sessions.placesOf(ids)])
    const suspended = await this.suspendedOf(found)
    const here = found.filter(
      (session) =>
        session.nodeId === nodeId &&
        session.wanted !== 'deleted' &&
        wasLinked(session) &&
        !suspended.has(session.tenantId),
    )
    const known = new Map(here.map((session) => [session.id, session]))
    const counts = new Map<SessionId, number>()
    const next = rows.filter(({ id, sessionId }) => {
      if (taken.has(id) || !known.has(sessionId)) return false
      const count = (counts.get(sessionId) ?? 0) + 1
      counts.set(sessionId, count)
      return count <= limit
    })
    const full = new Set([...counts].flatMap(([id, count]) => (count >= limit ? id : [])))
    return { node, sessions: known, waiting: await this.load(next), full }
  }

  /** What was accepted here a moment ago need not be read: nothing about it can have changed while it is pending. */
  private async load(rows: readonly Awaiting[]): Promise<Message[]> {
    const fresh = this.options.fresh
    const kept = rows.map(({ id, status }) => fresh.take(id, status))
    const read = await this.options.messages.readAll(rows.flatMap(({ id }, index) => (kept[index] ? [] : id)))
    return rows.flatMap(({ id }, index) => kept[index] ?? read.get(id) ?? [])
  }

  /** Answers whose messages the node refused because it does not know their session. */
  private async give(node: LiveNode, batch: readonly Message[]): Promise<SessionId[]> {
    const offered = await this.markOffered(batch)
    if (offered.length === 0) return []
    const outgoing = offered.map((message) => ({
      ...outgoingToProto(toOutgoing(message, this.options.time())),
      sessionId: message.sessionId,
    }))
    const results = await this.offer(node, outgoing)
    faultPoint('hand_over.answered')
    const taken = new Set(results.flatMap(({ messageId, errorCode }) => (errorCode === '' ? messageId : [])))
    node.taken.add(offered.filter(({ id }) => taken.has(id)))
    const refused = results.filter(({ errorCode }) => errorCode !== '' && errorCode !== 'not_found')
    await this.endRefused(refused.filter(({ errorCode }) => isForGood(errorCode)))
    const other = refused.find(({ errorCode }) => !isForGood(errorCode))
    if (other) throw new Error(`The node did not take a message on: ${other.errorCode} ${other.error}`)
    const forgotten = new Set(results.filter(({ errorCode }) => errorCode !== '').map(({ messageId }) => messageId))
    return [...new Set(offered.flatMap(({ id, sessionId }) => (forgotten.has(id) ? sessionId : [])))]
  }

  /** A node of an older version refuses all for the sake of one: which one is found by halves. */
  private async offer(node: LiveNode, messages: readonly Outgoing[]): Promise<HandOverResult[]> {
    try {
      return (await node.client.call('SendMessages', { messages: [...messages] })).results
    } catch (error) {
      if (!(error instanceof AppError) || !isForGood(error.code) || error.reason.startsWith('node_')) throw error
      const [first] = messages
      if (messages.length === 1) {
        return [{ messageId: first?.messageId ?? '', errorCode: error.code, error: error.message }]
      }
      const half = messages.length / 2
      return [...(await this.offer(node, messages.slice(0, half))), ...(await this.offer(node, messages.slice(half)))]
    }
  }

  /** Asked again, the node would say the same. What may have gone out from elsewhere is for a person to decide. */
  private async endRefused(refused: readonly HandOverResult[]): Promise<void> {
    if (refused.length === 0) return
    this.options.log.warn({ messages: refused }, 'hand_over.refused')
    const whys = new Map(refused.map(({ messageId, error }) => [messageId, `${explain('refused_by_node')} ${error}`]))
    await this.options.unsent.end([...whys.keys()] as MessageId[], ({ id, status }) => {
      const error = whys.get(id)
      return status === 'unknown'
        ? { status, reason: 'held', error: `${error} ${explain('held')}` }
        : { status: 'failed', reason: 'refused_by_node', error }
    })
  }

  /** Accepted while the node was away: from here on it may have them. Without those that were taken back just now. */
  private async markOffered(batch: readonly Message[]): Promise<readonly Message[]> {
    const first = batch.filter(({ offered }) => !offered).map(({ id }) => id)
    if (first.length === 0) return batch
    const marked = new Set(await this.options.db.write((tx) => this.options.messages.markOffered(tx, first)))
    return batch.flatMap((message) => (message.offered || marked.has(message.id) ? { ...message, offered: true } : []))
  }
}

/** What a node that refuses for this would refuse at any time. */
function isForGood(code: string): boolean {
  return ['invalid', 'unprocessable', 'too_large', 'unsupported_type', 'not_supported'].includes(code)
}

function toOutgoing(message: Message, now: number): OutgoingMessage {
  const { id, waMessageId, chatId, content, replyToWaId, mentions, origin, onUnknown, expiresAt, traceId } = message
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
    ...(traceId ? { traceId } : {}),
  }
}

/**
 * Since it is on its node. A node that never had the number linked could not tell that it is another one now, and would
 * send from it what was meant for the one before.
 */
export function wasLinked({ connectedAt }: SessionPlace): boolean {
  return connectedAt !== null
}

/** How often the one that comes most often does. */
function mostOfOne(values: Iterable<string>): number {
  const counts = new Map<string, number>()
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1)
  return Math.max(0, ...counts.values())
}

/** As many of the oldest as fit, and one in any case. */
function withinBytes(messages: readonly Message[], most: number): Message[] {
  let bytes = 0
  const fitting = messages.findIndex(
    ({ content }) => (bytes += 512 + Buffer.byteLength(JSON.stringify(content))) > most,
  )
  return fitting < 0 ? [...messages] : messages.slice(0, Math.max(1, fitting))
}
