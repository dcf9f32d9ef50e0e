/** The end of messages that wait for a node which will never send them. */
import type { MessageId } from '../../proto/contract.js'
import type { Clock } from '../../runtime/clock.js'
import type { Database } from '../db/database.js'
import type { EventRepository } from '../events/event-repository.js'
import { MessageBatch } from '../messages/message-events.js'
import type { Message, StatusNews } from '../messages/message.js'
import type { MessageNews } from '../messages/message-news.js'
import type { MessageRepository } from '../messages/message-repository.js'
import { statusEvent } from '../messages/message-told.js'

export interface UnsentMessagesOptions {
  db: Database
  messages: MessageRepository
  events: EventRepository
  news: MessageNews
  clock: Clock
}

type End = Omit<StatusNews, 'at'>

export class UnsentMessages {
  constructor(private readonly options: UnsentMessagesOptions) {}

  /** `endOf` is asked about each that still waits, as it is now; null leaves it waiting. */
  async end(ids: readonly MessageId[], endOf: (message: Message) => End | null): Promise<void> {
    if (ids.length === 0) return
    const { db, messages, events, news, clock } = this.options
    const at = clock()
    const ended = await db.write(async (tx) => {
      const newest = await messages.lockedByIds(tx, ids)
      const batch = new MessageBatch(newest)
      const moved = newest.flatMap((message) => {
        const end = message.awaiting ? endOf(message) : null
        return (end && batch.move(message, { ...end, at })) ?? []
      })
      await messages.change(tx, batch.changes())
      await messages.addHistory(tx, batch.history)
      const told = moved.map((message) => statusEvent(message, at))
      await events.add(tx, told, at)
      return moved
    })
    news.publish(ended)
  }
}
