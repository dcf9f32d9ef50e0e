/**
 * Counts how long sessions are connected, a little further in each round, for the nodes that this gateway follows. What
 * nobody saw is not counted: a node that is silent for as long as a session's status takes to say so, or no gateway.
 */
import type { NodeId, SessionId, TenantId } from '../../proto/contract.js'
import type { Clock } from '../../runtime/clock.js'
import type { Service } from '../../runtime/lifecycle.js'
import type { Logger } from '../../runtime/log.js'
import { Rounds } from '../../runtime/rounds.js'
import type { Database } from '../db/database.js'
import type { StoredEvent } from '../events/event.js'
import type { NodePresence } from '../nodes/node-presence.js'
import { type Session, SILENCE_MS } from '../sessions/session.js'
import { daysOf, UsageSum } from './usage.js'
import type { UsageRepository } from './usage-repository.js'

export interface ConnectedTimeOptions {
  db: Database
  repository: UsageRepository
  presence: NodePresence
  /** Nodes that this gateway follows. */
  liveNodes: () => NodeId[]
  sessionsOn: (nodeId: NodeId) => Promise<Pick<Session, 'id' | 'tenantId' | 'status' | 'connectedAt' | 'changedAt'>[]>
  time: Clock
  log: Logger
}

const ROUND_MS = 5_000

interface Connection {
  tenantId: TenantId
  sessionId: SessionId
  from: number
}

/** A node that is followed. */
interface Followed {
  since: number
  /** Until when its sessions are counted; undefined before the first round. */
  counted?: { to: number; asStored: number }
  open: Map<SessionId, Connection>
  /** Over, and not counted yet. */
  ended: (Connection & { to: number })[]
  isSilent: boolean
}

export class ConnectedTime implements Service {
  private readonly followed = new Map<NodeId, Followed>()
  private readonly rounds: Rounds

  constructor(private readonly options: ConnectedTimeOptions) {
    this.rounds = new Rounds({
      round: () => this.count(),
      restMs: ROUND_MS,
      onFailed: (err) => this.failed(err),
    })
  }

  start(): Promise<void> {
    return this.rounds.start()
  }

  async stop(): Promise<void> {
    await this.rounds.stop()
    await this.count().catch((err: unknown) => this.failed(err))
    this.followed.clear()
  }

  /** This gateway follows the node from now on. */
  live(nodeId: NodeId): void {
    this.followed.set(nodeId, { since: this.options.time(), open: new Map(), ended: [], isSilent: false })
    this.rounds.wake()
  }

  /** What was stored, in its order: a connection ends when its event says so, not at the next round. */
  stored(events: readonly StoredEvent[]): void {
    for (const { type, sessionId, tenantId, source, at } of events) {
      const node = source && this.followed.get(source.nodeId as NodeId)
      if (!node || !sessionId || !type.startsWith('session.')) continue
      const open = node.open.get(sessionId)
      if (type !== 'session.connected') end(node, open, at)
      else if (!open) node.open.set(sessionId, { tenantId, sessionId, from: at })
    }
  }

  /** One round over all nodes that this gateway follows. */
  async count(): Promise<void> {
    for (const nodeId of this.options.liveNodes()) {
      const node = this.followed.get(nodeId)
      if (node) await this.countNode(nodeId, node)
    }
  }

  private async countNode(nodeId: NodeId, node: Followed): Promise<void> {
    const { db, repository } = this.options
    const counted = (node.counted ??= await this.begin(nodeId, node))
    const to = this.seenTo(nodeId, node)
    if (to === undefined || to <= counted.to) return
    await this.look(nodeId, node)
    const ended = [...node.ended]
    const sum = new UsageSum()
    for (const connection of ended) addTime(sum, connection, counted.to, Math.min(connection.to, to))
    for (const connection of node.open.values()) addTime(sum, connection, counted.to, to)
    const counts = sum.counts()
    // Where nothing is connected, nothing is written.
    if (counts.length > 0) {
      const isOurs = await db.write(async (tx) => {
        if (!(await repository.moveNode(tx, nodeId, counted.asStored, to))) return false
        await repository.add(tx, counts)
        return true
      })
      if (!isOurs) return void (this.followed.get(nodeId) === node && this.live(nodeId))
    }
    node.counted = { to, asStored: counts.length > 0 ? to : counted.asStored }
    node.ended.splice(0, ended.length)
  }

  /** Goes on where it was left, by this gateway or another, unless nobody looked for too long. */
  private async begin(nodeId: NodeId, { since }: Followed) {
    const asStored = await this.options.repository.nodeCountedTo(nodeId, since)
    // One that was killed had seen more than it had counted.
    return { asStored, to: since - asStored > SILENCE_MS + ROUND_MS ? since : asStored }
  }

  /** Until when it is sure that the node was there. */
  private seenTo(nodeId: NodeId, node: Followed): number | undefined {
    const now = this.options.time()
    const heardAt = this.options.presence.lastHeardAt(nodeId) ?? node.since
    const isSilent = now - heardAt > SILENCE_MS
    if (!isSilent && node.isSilent) return void this.live(nodeId)
    node.isSilent = isSilent
    return isSilent ? heardAt : now
  }

  /** By the rows: what was connected before this gateway looked, and what is not any more without an event. */
  private async look(nodeId: NodeId, node: Followed): Promise<void> {
    const sessions = new Map((await this.options.sessionsOn(nodeId)).map((session) => [session.id, session]))
    for (const [sessionId, connection] of [...node.open]) {
      const session = sessions.get(sessionId)
      if (session?.status !== 'connected') end(node, connection, session?.changedAt.getTime() ?? 0)
    }
    for (const { id: sessionId, tenantId, status, connectedAt } of sessions.values()) {
      if (status !== 'connected' || node.open.has(sessionId)) continue
      node.open.set(sessionId, { tenantId, sessionId, from: connectedAt?.getTime() ?? this.options.time() })
    }
  }

  private failed(err: unknown): void {
    this.options.log.warn({ err }, 'usage.time_not_counted')
  }
}

function end(node: Followed, connection: Connection | undefined, at: number): void {
  if (!connection) return
  node.open.delete(connection.sessionId)
  node.ended.push({ ...connection, to: at })
}

/** What lies between two times of a connection, to each day its own. */
function addTime(sum: UsageSum, connection: Connection, after: number, to: number): void {
  const { tenantId, sessionId } = connection
  for (const { day, ms } of daysOf(Math.max(connection.from, after), to)) {
    sum.add({ tenantId, day, sessionId, metric: 'connected_ms', amount: ms })
  }
}
