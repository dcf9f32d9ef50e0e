/** Messages that this gateway accepted a moment ago, so that they need not be read to be handed over. */
import type { MessageId, MessageStatus } from '../../proto/contract.js'
import type { Message } from '../messages/message.js'

/** Each may be as large as a request. */
const MOST_KEPT = 500

export class FreshMessages {
  private readonly kept = new Map<MessageId, Message>()

  add(message: Message): void {
    if (this.kept.size >= MOST_KEPT) this.kept.clear()
    this.kept.set(message.id, message)
  }

  /** Once: what is handed over again has a past, which its row knows. */
  take(id: MessageId, status: MessageStatus): Message | undefined {
    const message = this.kept.get(id)
    this.kept.delete(id)
    return message?.status === status ? message : undefined
  }
}
