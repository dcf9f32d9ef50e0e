/** Nodes that are gone for good, with all that was on their disks. */
import type { NodeId, SessionId } from '../../proto/contract.js'
import { explain } from '../../proto/reasons.js'
import type { NodeDirectory } from '../../proto/node-directory.js'
import { AppError } from '../../runtime/app-error.js'
import type { Clock } from '../../runtime/clock.js'
import { newId } from '../../runtime/ids.js'
import type { Logger } from '../../runtime/log.js'
import type { Database, Tx } from '../db/database.js'
import type { NewEvent } from '../events/event.js'
import type { MessageNews } from '../messages/message-news.js'
import type { OpenMessages } from '../messages/open-messages.js'
import { type Session, SILENCE_MS } from '../sessions/session.js'
import type { SessionEvents } from '../sessions/session-events.js'
import { lostNodeTable } from './lost-node-table.js'
import type { NodeCursorRepository } from './node-cursor-repository.js'

/** If it is interrupted, the node may be followed again after this. */
const GIVING_UP_MS = 120_000

export interface LostNodesOptions {
  db: Database
  cursors: NodeCursorRepository
  sessions: SessionEvents
  open: OpenMessages
  news: MessageNews
  directory: Pick<NodeDirectory, 'find'>
  /** The node that was to forget the session is gone, and so is what it had of it. */
  finishDeleting: (session: Session) => Promise<void>
  clock: Clock
  log: Logger
}

export class LostNodes {
  constructor(private readonly options: LostNodesOptions) {}

  /**
   * Gives a node up: its sessions have to be linked anew, on any node, and what it had taken on and not finished is for a
   * person to decide. May be repeated after it was interrupted. Throws `not_found`, and `conflict` (`node_reachable`).
   */
  async declare(nodeId: NodeId): Promise<void> {
    const { db, cursors, sessions, directory, log } = this.options
    const heardAgoMs = await cursors.heardAgoMs(nodeId)
    if (directory.find(nodeId)?.reachable || (heardAgoMs !== null && heardAgoMs < SILENCE_MS)) {
      throw reachable()
    }
    const ids = await db.read((reader) => sessions.idsOn(reader, nodeId))
    if (heardAgoMs === null && ids.length === 0 && !(await cursors.exists(nodeId))) {
      throw new AppError('not_found', 'There is no such session node.', { reason: 'node_not_found' })
    }
    await db.write((tx) => this.mark(tx, nodeId))
    // One by one: a node may have many, and what is done stays done.
    for (const id of ids) await this.release(nodeId, id)
    await cursors.unrevoke(nodeId)
    log.warn({ node: nodeId, sessions: ids.length }, 'node.lost')
  }

  /** Those that were given up, with the time. */
  async list(): Promise<Map<NodeId, number>> {
    const rows = await this.options.db.read((reader) => reader.find(lostNodeTable))
    return new Map(rows.map(({ nodeId, lostAt }) => [nodeId, lostAt]))
  }

  private async mark(tx: Tx, nodeId: NodeId): Promise<void> {
    await tx.delete(lostNodeTable, { nodeId })
    await tx.insert(lostNodeTable, { nodeId, lostAt: this.options.clock() })
    // Whoever still holds its lease stores nothing of it any more, and nobody lets it send before its sessions are gone.
    if (!(await this.options.cursors.revoke(tx, nodeId, GIVING_UP_MS, SILENCE_MS))) throw reachable()
  }

  private async release(nodeId: NodeId, id: SessionId): Promise<void> {
    const { db, sessions, open, finishDeleting, news } = this.options
    const [session] = await db.read((reader) => sessions.byIds(reader, [id]))
    if (session?.nodeId !== nodeId) return
    if (session.wanted === 'deleted') return finishDeleting(session)
    // The session last: until then a repetition finds it here, with whatever is left.
    await open.move(id, {
      // What was never offered cannot be there: it waits for the next node.
      isMeant: ({ awaiting, offered }) => !awaiting || offered,
      ...{ to: 'unknown', reason: 'node_lost', error: doubt },
      fence: (tx) => this.fence(tx, nodeId),
      finish: (tx) => this.lose(tx, nodeId, id),
      onMoved: (changed) => news.publish(changed),
    })
  }

  private async fence(tx: Tx, nodeId: NodeId): Promise<void> {
    if (!(await this.options.cursors.keepRevoked(tx, nodeId, GIVING_UP_MS))) throw reachable()
  }

  private async lose(tx: Tx, nodeId: NodeId, id: SessionId): Promise<NewEvent[]> {
    const { sessions, clock } = this.options
    const [session] = await sessions.placesOf(tx, [id])
    if (session?.nodeId !== nodeId || session.wanted === 'deleted') return []
    const at = clock()
    await sessions.lose(tx, id, at)
    const told = {
      id: newId('evt'),
      tenantId: session.tenantId,
      sessionId: id,
      type: 'session.logged_out',
      at,
    } as const
    return [{ ...told, data: { status: 'logged_out', reason: 'node_lost', detail: explain('node_lost') } }]
  }
}

const doubt = 'The session node was lost with it. A person has to decide whether it is sent again.'

function reachable(): AppError {
  return new AppError('conflict', 'The session node answers, or did a moment ago: it is not lost.', {
    reason: 'node_reachable',
  })
}
