/** Stores what a node reports: events, what they mean for sessions and messages, and the cursor, in one transaction. */
import type { Cursor, NodeEvent, SessionId } from '../../proto/contract.js'
import type { FollowedEvent } from '../../proto/node-client.js'
import { AppError } from '../../runtime/app-error.js'
import type { Clock } from '../../runtime/clock.js'
import { faultPoint } from '../../runtime/fault-point.js'
import type { Logger } from '../../runtime/log.js'
import type { Database, Tx } from '../db/database.js'
import type { EventRepository } from '../events/event-repository.js'
import type { NewEvent, StoredEvent } from '../events/event.js'
import type { MediaRepository } from '../media/media-repository.js'
import type { Message } from '../messages/message.js'
import { MessageBatch } from '../messages/message-events.js'
import { messagesMeant } from '../messages/messages-meant.js'
import { statusEvent } from '../messages/message-told.js'
import type { MessageRepository } from '../messages/message-repository.js'
import { type SessionEvents, sessionTold } from '../sessions/session-events.js'
import type { Lease, NodeCursorRepository } from './node-cursor-repository.js'

export interface EventStoringOptions {
  db: Database
  cursors: NodeCursorRepository
  events: EventRepository
  messages: MessageRepository
  media: MediaRepository
  sessions: SessionEvents
  clock: Clock
  log: Logger
}

/** What a stored batch changed, for those who wait for it. */
export interface Stored {
  messages: Message[]
  events: StoredEvent[]
  /** Files that are on the node only. */
  hasFiles: boolean
  sessionIds: SessionId[]
}

const nothing: Stored = { messages: [], events: [], hasFiles: false, sessionIds: [] }

export class EventStoring {
  constructor(private readonly options: EventStoringOptions) {}

  /** Throws `conflict` (`lease_lost`) when another gateway follows the node by now. */
  async store(lease: Lease, from: Cursor, events: readonly FollowedEvent[]): Promise<Stored> {
    const last = events.at(-1)
    if (!last) return nothing
    const { db, cursors } = this.options
    return db.write(async (tx) => {
      const to = { epoch: last.epoch, position: last.position }
      if (!(await cursors.advance(tx, lease, from, to))) throw leaseLost()
      return this.apply(tx, lease, events)
    })
  }

  /** Passes an event that cannot be stored as what it is. */
  async storeUnreadable(lease: Lease, from: Cursor, event: FollowedEvent, why: string): Promise<Stored> {
    const { unreadable: _, ...rest } = { unreadable: '', ...event }
    return this.store(lease, from, [{ ...rest, unreadable: why }])
  }

  /** The node's log began anew: what became of messages that it had taken on in the old one is not known. */
  async beginEpoch(lease: Lease, from: Cursor, to: Cursor): Promise<Stored> {
    const { db, cursors, messages, sessions, clock } = this.options
    return db.write(async (tx) => {
      if (!(await cursors.advance(tx, lease, from, to))) throw leaseLost()
      const ids = await sessions.idsOn(tx, lease.nodeId)
      const unfinished = await messages.unfinishedOf(tx, ids, to.epoch)
      const batch = new MessageBatch(unfinished)
      const at = clock()
      const told = unfinished.flatMap((message): NewEvent[] => {
        const next = batch.move(message, { status: 'unknown', reason: 'outcome_unknown', at })
        // The new log may not know it at all, so that nobody else would ever look for it.
        batch.handOverAgain(message.id)
        return next ? [statusEvent(next, at)] : []
      })
      await messages.change(tx, batch.changes())
      await messages.addHistory(tx, batch.history)
      const events = await this.options.events.add(tx, told, at)
      return { messages: batch.touched(), events, hasFiles: false, sessionIds: [] }
    })
  }

  private async apply(tx: Tx, lease: Lease, followed: readonly FollowedEvent[]): Promise<Stored> {
    const { messages, sessions, media, clock, log } = this.options
    const ids = [...new Set(followed.map(({ sessionId }) => sessionId))]
    const known = new Map((await sessions.byIds(tx, ids)).map((session) => [session.id, session]))
    const mine = followed.filter((event) => {
      const session = known.get(event.sessionId)
      // A session that was never ours, or moved away: its node will learn so when it is next told to stop.
      const here = session?.nodeId === lease.nodeId || isAck(event)
      const ours = session?.tenantId === event.tenantId && here
      if (!ours) log.warn({ node: lease.nodeId, session: event.sessionId, event: event.id }, 'event.of_no_session')
      return ours
    })
    const readable = mine.filter((event): event is NodeEvent => !('unreadable' in event))
    const { ids: messageIds, keys } = messagesMeant(readable)
    const meant = [...new Set([...messageIds, ...(await messages.idsByWaIds(tx, keys))])]
    // What is being cancelled, or handed over, at this moment must not be decided twice, nor written over.
    await messages.lock(tx, meant)
    const batch = new MessageBatch(await messages.byIds(tx, meant), lease.nodeId)

    const told: NewEvent[] = []
    const changedSessions = new Set<SessionId>()
    for (const event of mine) {
      const { id, tenantId, sessionId, at, epoch, position } = event
      const same = { id, tenantId, sessionId, at, source: { nodeId: lease.nodeId, epoch, position } }
      if ('unreadable' in event) {
        told.push({ ...same, type: 'event.unreadable', data: { problem: event.unreadable } })
        continue
      }
      if (event.body.kind === 'session_status') {
        const applied = await sessions.apply(tx, lease.nodeId, event)
        if (!applied) continue
        changedSessions.add(sessionId)
        told.push({ ...same, ...sessionTold(event.body.session) })
        if (applied.numberChanged) told.push(...(await this.failForOldNumber(tx, batch, event)))
        continue
      }
      const said = batch.apply(event)
      if (!said) continue
      const traceId = batch.traceOf(said)
      told.push({ ...same, ...(traceId ? { traceId } : {}), ...said })
    }

    await messages.add(tx, batch.added())
    await messages.change(tx, batch.changes())
    await messages.addHistory(tx, batch.history)
    await media.addFromNode(tx, batch.files, clock())
    const events = await this.options.events.add(tx, told, clock())
    faultPoint('events.written')
    return { messages: batch.touched(), events, hasFiles: batch.files.length > 0, sessionIds: [...changedSessions] }
  }

  /** What was meant for the number before must not be sent from the new one. */
  private async failForOldNumber(tx: Tx, batch: MessageBatch, event: NodeEvent): Promise<NewEvent[]> {
    const open = await this.options.messages.openOf(tx, event.sessionId)
    return batch.openOf(event.sessionId, open).flatMap((message) => {
      const next = batch.move(message, { status: 'failed', reason: 'number_changed', at: event.at })
      return next ? [statusEvent(next, event.at)] : []
    })
  }
}

/** A node that was given up and came back may still tell that a message arrived. */
function isAck(event: FollowedEvent): boolean {
  return (
    'body' in event &&
    event.body.kind === 'message_status' &&
    event.body.messageId !== undefined &&
    ['sent', 'delivered', 'read', 'played'].includes(event.body.status)
  )
}

function leaseLost(): AppError {
  return new AppError('conflict', 'Another gateway follows this node.', { reason: 'lease_lost' })
}
