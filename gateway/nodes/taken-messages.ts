/**
 * What a node said that it has, and rows do not say yet. The events that tell of these messages follow soon, and what is
 * stored then is stored with them. A row that is not reached any more stays waiting, and is handed over once more: the
 * node then has it already, or its log began anew and it has not.
 */
import type { MessageId, SessionId } from '../../proto/contract.js'

/**
 * What no event told of for so long is stored by itself: longer than the events of a busy node take, so that most rows
 * are written once for both.
 */
const MOST_MS = 300

interface Taken {
  sessionId: SessionId
  /** On the steady clock. */
  at: number
}

export class TakenMessages {
  private readonly taken = new Map<MessageId, Taken>()
  private onAdded: () => void = () => undefined

  /** The one who stores them wants to know. */
  tell(onAdded: () => void): void {
    this.onAdded = onAdded
  }

  add(messages: Iterable<{ id: MessageId; sessionId: SessionId }>): void {
    const at = performance.now()
    for (const { id, sessionId } of messages) this.taken.set(id, { sessionId, at })
    this.onAdded()
  }

  has(id: MessageId): boolean {
    return this.taken.has(id)
  }

  /** As it is now: what is looked up afterwards may have been stored in between. */
  snapshot(): ReadonlyMap<MessageId, SessionId> {
    return new Map([...this.taken].map(([id, { sessionId }]) => [id, sessionId]))
  }

  /** How long the oldest may wait for an event yet; undefined when there are none. */
  leftMs(): number | undefined {
    for (const { at } of this.taken.values()) return Math.max(0, at + MOST_MS - performance.now())
    return undefined
  }

  /** The oldest. */
  oldest(limit: number): MessageId[] {
    return [...this.taken.keys()].slice(0, limit)
  }

  /** They are stored. */
  delete(ids: Iterable<MessageId>): void {
    for (const id of ids) this.taken.delete(id)
  }
}
