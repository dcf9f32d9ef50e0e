/** Which rows the events of a node talk about. No I/O. */
import type { MessageId, NodeEvent, SessionId } from '../../proto/contract.js'
import type { Direction } from './message.js'
import type { WaKey } from './message-repository.js'

/** How a message is found by what WhatsApp calls it. */
export const keyOf = (sessionId: SessionId, direction: Direction, waId: string) => `${sessionId} ${direction} ${waId}`

/** The rows that the events of a batch talk about. */
export function messagesMeant(events: readonly NodeEvent[]): { ids: MessageId[]; keys: WaKey[] } {
  const ids = new Set<MessageId>()
  const keys = new Map<string, WaKey>()
  const either = (sessionId: SessionId, waMessageId: string | undefined) => {
    if (!waMessageId) return
    for (const direction of ['in', 'out'] as const) {
      keys.set(keyOf(sessionId, direction, waMessageId), { sessionId, direction, waMessageId })
    }
  }
  for (const { sessionId, body } of events) {
    switch (body.kind) {
      case 'message_queued':
        ids.add(body.message.id)
        either(sessionId, body.message.replyTo)
        break
      case 'message_status':
        if (body.messageId) ids.add(body.messageId)
        else either(sessionId, body.waMessageId)
        break
      case 'message_received':
        either(sessionId, body.waMessageId)
        either(sessionId, body.replyTo)
        break
      case 'message_edited':
      case 'message_deleted':
      case 'message_reaction':
      case 'poll_vote':
        either(sessionId, body.waMessageId)
        break
      default:
    }
  }
  return { ids: [...ids], keys: [...keys.values()] }
}
