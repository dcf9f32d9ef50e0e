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
import { type Message, waitsForPerson } from '../messages/message.js'
import { MessageBatch } from '../messages/message-events.js'
import { messagesMeant } from '../messages/messages-meant.js'
import { statusEvent } from '../messages/message-told.js'
import type { MessageRepository } from '../messages/message-repository.js'
import type { OpenMessages } from '../messages/open-messages.js'
import { type SessionEvents, sessionTold } from '../sessions/session-events.js'
import type { Lease, NodeCursorRepository } from './node-cursor-repository.js'
import type { TakenMessages } from './taken-messages.js'

export interface EventStoringOptions {
  db: Database
  cursors: NodeCursorRepository
  events: EventRepository
  messages: MessageRepository
  media: MediaRepository
  sessions: SessionEvents
  open: OpenMessages
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

/** Events that are stored in one transaction, and the session whose messages for its old number fail before it. */
interface Part {
  relinked: SessionId | undefined
  events: FollowedEvent[]
}

const MOST_NOTED = 500

const nothing: Stored = { messages: [], events: [], hasFiles: false, sessionIds: [] }

export class EventStoring {
  constructor(private readonly options: EventStoringOptions) {}

  /** Throws `conflict` (`lease_lost`) when another gateway follows the node by now. */
  async store(lease: Lease, from: Cursor, events: readonly FollowedEvent[], taken?: TakenMessages): Promise<Stored> {
    const { db, cursors, open } = this.options
    let stored = nothing
    let at = from
    for (const { relinked, events: some } of await this.parts(lease, events)) {
      const [before, to] = [at, cursorOf(some)]
      const fence = async (tx: Tx, then: Cursor) => {
        if (!(await cursors.advance(tx, lease, before, then))) throw leaseLost()
      }
      if (relinked) {
        await open.move(relinked, {
          ...{ to: 'failed', reason: 'number_changed' },
          fence: (tx) => fence(tx, before),
          onMoved: (messages, told) => (stored = joined(stored, { ...nothing, messages, events: told })),
        })
      }
      const next = await db.write(async (tx) => {
        await fence(tx, to)
        return this.apply(tx, lease, to.epoch, some, taken)
      })
      stored = joined(stored, next)
      at = to
    }
    return stored
  }

  /**
   * One, unless a session was linked to another number: what came before that is stored first, because it may tell of
   * messages that fail by it, which may be many more than a transaction should hold.
   */
  private async parts({ nodeId }: Lease, events: readonly FollowedEvent[]): Promise<Part[]> {
    const links = events.filter((event) => phoneIn(event) !== undefined)
    const ids = [...new Set(links.map(({ sessionId }) => sessionId))]
    const sessions = ids.length > 0 ? await this.options.db.read((tx) => this.options.sessions.byIds(tx, ids)) : []
    const here = sessions.filter((session) => session.nodeId === nodeId && session.liveName !== null)
    const phones = new Map(here.map(({ id, phone }) => [id, phone]))
    const parts: Part[] = []
    for (const event of events) {
      const { sessionId } = event
      const [phone, known] = [phoneIn(event), phones.get(sessionId)]
      const isOther = phone !== undefined && known && known !== phone
      // What is accepted from here on is meant for this one.
      if (isOther) phones.set(sessionId, phone)
      if (isOther || parts.length === 0) parts.push({ relinked: isOther ? sessionId : undefined, events: [] })
      parts.at(-1)?.events.push(event)
    }
    return parts
  }

  /** Passes an event that cannot be stored as what it is. */
  async storeUnreadable(lease: Lease, from: Cursor, event: FollowedEvent, why: string): Promise<Stored> {
    const { unreadable: _, ...rest } = { unreadable: '', ...event }
    return this.store(lease, from, [{ ...rest, unreadable: why }])
  }

  /** What the node has said that it has, and no event has told of yet. */
  async noteTaken(lease: Lease, at: Cursor, taken: TakenMessages): Promise<void> {
    const { db, cursors, messages, clock } = this.options
    const ids = taken.oldest(MOST_NOTED)
    await db.write(async (tx) => {
      if (!(await cursors.advance(tx, lease, at, at))) throw leaseLost()
      await messages.markTaken(tx, ids, at.epoch, clock())
    })
    taken.delete(ids)
  }

  /**
   * The node's log began anew: what became of messages that it had in the old one is not known, and the new one may not
   * know them at all, so that nobody else would ever look for them. The cursor moves when all of them are dealt with.
   */
  async beginEpoch(lease: Lease, from: Cursor, to: Cursor, onStored: (stored: Stored) => void): Promise<void> {
    const { db, cursors, messages, sessions } = this.options
    const fence = async (tx: Tx, then: Cursor) => {
      if (!(await cursors.advance(tx, lease, from, then))) throw leaseLost()
    }
    const ids = await db.read((reader) => sessions.idsOn(reader, lease.nodeId))
    for (const sessionId of await messages.sessionsWithOpen(ids)) {
      await this.options.open.move(sessionId, {
        isMeant: (message) => !waitsForPerson(message) && mayBeInOther(to.epoch, message),
        to: 'unknown',
        reason: 'outcome_unknown',
        handOverAgain: true,
        fence: (tx) => fence(tx, from),
        onMoved: (changed, events) => onStored({ ...nothing, messages: changed, events }),
      })
    }
    await db.write((tx) => fence(tx, to))
  }

  private async apply(
    tx: Tx,
    lease: Lease,
    epoch: string,
    followed: readonly FollowedEvent[],
    taken?: TakenMessages,
  ): Promise<Stored> {
    const { db, messages, sessions, media, clock, log } = this.options
    const ids = [...new Set(followed.map(({ sessionId }) => sessionId))]
    const known = new Map((await sessions.placesOf(tx, ids)).map((session) => [session.id, session]))
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
    const batch = new MessageBatch(await messages.lockedByIds(tx, meant), lease.nodeId)
    if (taken) {
      const noted = batch.taken((id) => taken.has(id), epoch, clock())
      db.afterCommit(tx, () => taken.delete(noted))
    }

    const told: NewEvent[] = []
    const changedSessions = new Set<SessionId>()
    for (const event of mine) {
      const { id, tenantId, sessionId, at, position } = event
      const same = { id, tenantId, sessionId, at, source: { nodeId: lease.nodeId, epoch: event.epoch, position } }
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

  /** What was meant for the number before must not be sent from the new one: what came in since the most of it failed. */
  private async failForOldNumber(tx: Tx, batch: MessageBatch, event: NodeEvent): Promise<NewEvent[]> {
    const open = await this.options.messages.openOf(tx, event.sessionId)
    return batch.openOf(event.sessionId, open).flatMap((message) => {
      const next = batch.move(message, { status: 'failed', reason: 'number_changed', at: event.at })
      return next ? [statusEvent(next, event.at)] : []
    })
  }
}

function phoneIn(event: FollowedEvent): string | undefined {
  return 'body' in event && event.body.kind === 'session_status' ? event.body.session.phone : undefined
}

function cursorOf(events: readonly FollowedEvent[]): Cursor {
  const { epoch, position } = events.at(-1) as FollowedEvent
  return { epoch, position }
}

function joined(one: Stored, other: Stored): Stored {
  return {
    messages: [...one.messages, ...other.messages],
    events: [...one.events, ...other.events],
    hasFiles: one.hasFiles || other.hasFiles,
    sessionIds: [...new Set([...one.sessionIds, ...other.sessionIds])],
  }
}

/** The old log had it, or may have had it: it was offered, and the answer may have been lost. */
function mayBeInOther(epoch: string, message: Message): boolean {
  if (message.awaiting) return message.offered && message.status === 'pending'
  return message.epoch !== epoch
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
