/**
 * What happens to all that a session has not finished sending: its messages become `unknown`, or fail, so many at a time
 * that nobody waits long for the rows, or for the one door of SQLite. What is done stays done when it is interrupted.
 */
import type { SessionId } from '../../proto/contract.js'
import type { Clock } from '../../runtime/clock.js'
import type { Database, Tx } from '../db/database.js'
import type { EventRepository } from '../events/event-repository.js'
import type { NewEvent, StoredEvent } from '../events/event.js'
import type { Message, StatusNews } from './message.js'
import { MessageBatch } from './message-events.js'
import type { MessageRepository } from './message-repository.js'
import { statusEvent } from './message-told.js'

const MOST_AT_ONCE = 200

export interface OpenMessagesOptions {
  db: Database
  messages: MessageRepository
  events: EventRepository
  clock: Clock
}

export interface OpenMove extends Pick<StatusNews, 'reason' | 'error'> {
  to: 'unknown' | 'failed'
  /** Which of them; all unless given. */
  isMeant?: (message: Message) => boolean
  /** To whichever node the session is on: it looks for them first. */
  handOverAgain?: boolean
  /** First in each transaction. Throws when somebody else may decide by now. */
  fence?: (tx: Tx) => Promise<void>
  /** Last in the last transaction: events that belong to it. */
  finish?: (tx: Tx) => Promise<NewEvent[]>
  onMoved: (messages: Message[], events: StoredEvent[]) => void
}

export class OpenMessages {
  constructor(private readonly options: OpenMessagesOptions) {}

  /** Those of one session, oldest first. */
  async move(sessionId: SessionId, move: OpenMove): Promise<void> {
    // What is pending moves from there: those that are unknown already come first, or they would be looked at twice.
    for (const status of ['unknown', 'pending'] as const) {
      for (let position: number | undefined = -1; position !== undefined;) {
        const from: number = position
        const { next, messages, events } = await this.options.db.write((tx) =>
          this.some(tx, sessionId, status, from, move),
        )
        position = next
        if (events.length > 0) move.onMoved(messages, events)
      }
    }
  }

  private async some(tx: Tx, sessionId: SessionId, status: 'unknown' | 'pending', after: number, move: OpenMove) {
    const { messages, events, clock } = this.options
    const { to, isMeant, reason, error, handOverAgain, fence, finish } = move
    await fence?.(tx)
    const found = await messages.openAfter(tx, { sessionId, status }, after, MOST_AT_ONCE)
    const at = clock()
    const meant = found.map(({ message }) => message).filter((message) => isMeant?.(message) ?? true)
    const batch = new MessageBatch(meant)
    const told = meant.flatMap((message): NewEvent[] => {
      const next = batch.move(message, { status: to, reason, error, at })
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
