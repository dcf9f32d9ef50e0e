/**
 * Messages that may have gone out from a node that cannot be asked any more become `unknown`: so many at a time that
 * nobody waits long for the rows, or for the one door of SQLite. What is done stays done when it is interrupted.
 */
import type { SessionId } from '../../proto/contract.js'
import type { Clock } from '../../runtime/clock.js'
import type { Database, Tx } from '../db/database.js'
import type { EventRepository } from '../events/event-repository.js'
import type { NewEvent, StoredEvent } from '../events/event.js'
import { MessageBatch } from '../messages/message-events.js'
import type { Message } from '../messages/message.js'
import type { MessageRepository } from '../messages/message-repository.js'
import { statusEvent } from '../messages/message-told.js'

const MOST_AT_ONCE = 200

export interface DoubtfulMessagesOptions {
  db: Database
  messages: MessageRepository
  events: EventRepository
  clock: Clock
}

export interface Doubt {
  isDoubtful: (message: Message) => boolean
  reason: 'outcome_unknown' | 'node_lost'
  error?: string
  /** To whichever node the session is on: it looks for them first. */
  handOverAgain?: boolean
  /** First in each transaction. Throws when somebody else may decide by now. */
  fence: (tx: Tx) => Promise<void>
  /** Last in the last transaction: events that belong to it. */
  finish?: (tx: Tx) => Promise<NewEvent[]>
  onDoubted: (messages: Message[], events: StoredEvent[]) => void
}

export class DoubtfulMessages {
  constructor(private readonly options: DoubtfulMessagesOptions) {}

  /** Those of one session, oldest first. */
  async doubt(sessionId: SessionId, doubt: Doubt): Promise<void> {
    // What is pending moves from there: those that are unknown already come first, or they would be looked at twice.
    for (const status of ['unknown', 'pending'] as const) {
      for (let position: number | undefined = -1; position !== undefined;) {
        const from: number = position
        const { next, messages, events } = await this.options.db.write((tx) =>
          this.some(tx, sessionId, status, from, doubt),
        )
        position = next
        if (events.length > 0) doubt.onDoubted(messages, events)
      }
    }
  }

  private async some(tx: Tx, sessionId: SessionId, status: 'unknown' | 'pending', after: number, doubt: Doubt) {
    const { messages, events, clock } = this.options
    const { isDoubtful, reason, error, handOverAgain, fence, finish } = doubt
    await fence(tx)
    const found = await messages.openAfter(tx, { sessionId, status }, after, MOST_AT_ONCE)
    const at = clock()
    const doubtful = found.map(({ message }) => message).filter(isDoubtful)
    const batch = new MessageBatch(doubtful)
    const told = doubtful.flatMap((message): NewEvent[] => {
      const next = batch.move(message, { status: 'unknown', reason, error, at })
      if (handOverAgain) batch.handOverAgain(message.id)
      return next ? [statusEvent(next, at)] : []
    })
    await messages.change(tx, batch.changes())
    await messages.addHistory(tx, batch.history)
    const isLast = found.length < MOST_AT_ONCE
    if (isLast && status === 'pending' && finish) told.push(...(await finish(tx)))
    const stored = await events.add(tx, told, at)
    return { next: isLast ? undefined : found.at(-1)?.position, messages: batch.touched(), events: stored }
  }
}
