/** Who in this process waits for a message, and what became of it. */
import type { MessageId } from '../../proto/contract.js'
import type { Message } from './message.js'

type Listener = (message: Message) => void

export class MessageNews {
  private readonly listeners = new Map<MessageId, Set<Listener>>()

  /** `onPublished` hears what this gateway itself made of messages. */
  constructor(private readonly onPublished: (messages: Iterable<Message>) => void = () => undefined) {}

  publish(messages: Iterable<Message>): void {
    this.onPublished(messages)
    this.relay(messages)
  }

  /** What became of messages at their node. */
  relay(messages: Iterable<Message>): void {
    if (this.listeners.size === 0) return
    for (const message of messages) {
      for (const listener of this.listeners.get(message.id) ?? []) listener(message)
    }
  }

  /** The next news of this message; null when there is none in time. */
  next(id: MessageId, timeoutMs: number, signal: AbortSignal): Promise<Message | null> {
    return new Promise((resolve) => {
      const done = (message: Message | null) => {
        clearTimeout(timer)
        signal.removeEventListener('abort', stopped)
        listeners.delete(done)
        if (listeners.size === 0) this.listeners.delete(id)
        resolve(message)
      }
      const stopped = () => done(null)
      const timer = setTimeout(stopped, timeoutMs)
      const listeners = this.listeners.get(id) ?? new Set<Listener>()
      this.listeners.set(id, listeners.add(done))
      if (signal.aborted) stopped()
      else signal.addEventListener('abort', stopped)
    })
  }
}
