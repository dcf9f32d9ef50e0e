/** Messages as they are handed over to a node, and what it says of each. */
import type { OutgoingMessage, SessionId } from '../../proto/contract.js'
import { AppError } from '../../runtime/app-error.js'

export interface GivenMessage {
  sessionId: SessionId
  message: OutgoingMessage
}

export interface HandOverResult {
  messageId: string
  /** Why it was not taken on. */
  error?: AppError
}

const MOST_PER_HAND_OVER = 200

/** Throws `invalid` (`too_many_messages`). */
export function refuseTooMany({ length }: readonly unknown[]): void {
  if (length <= MOST_PER_HAND_OVER) return
  throw new AppError('invalid', `At most ${MOST_PER_HAND_OVER} messages at a time.`, { reason: 'too_many_messages' })
}

export function bySession(given: readonly GivenMessage[]): Map<SessionId, OutgoingMessage[]> {
  const groups = new Map<SessionId, OutgoingMessage[]>()
  for (const { sessionId, message } of given) {
    const before = groups.get(sessionId)
    if (before) before.push(message)
    else groups.set(sessionId, [message])
  }
  return groups
}
