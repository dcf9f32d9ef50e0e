/** What a person decides about a message of unknown outcome: send it again, or what became of it. */
import type { Decision, SessionId } from '../../proto/contract.js'
import { explain, type Reason } from '../../proto/reasons.js'
import type { NodeDirectory } from '../../proto/node-directory.js'
import { AppError } from '../../runtime/app-error.js'
import type { Clock } from '../../runtime/clock.js'
import type { Database } from '../db/database.js'
import type { EventRepository } from '../events/event-repository.js'
import type { Session } from '../sessions/session.js'
import { type Message, moved, waitsForPerson } from './message.js'
import { statusEvent } from './message-told.js'
import type { MessageNews } from './message-news.js'
import type { MessageRepository } from './message-repository.js'

export interface MessageDecisionsOptions {
  db: Database
  repository: MessageRepository
  events: EventRepository
  news: MessageNews
  directory: Pick<NodeDirectory, 'get'>
  findSession: (id: SessionId) => Promise<Session | null>
  wake: (session: Session) => void
  clock: Clock
  time: Clock
}

const reasonOf: Record<Decision, Reason> = {
  resend: 'resend_requested',
  sent: 'settled_sent',
  failed: 'settled_failed',
}

export class MessageDecisions {
  constructor(private readonly options: MessageDecisionsOptions) {}

  /**
   * The same decision again changes nothing. Throws `conflict` (`not_held`), and `unavailable` when the node that holds
   * the message is away: then nothing changes.
   */
  async decide(message: Message, decision: Decision): Promise<void> {
    if (message.reason === reasonOf[decision]) return
    if (!waitsForPerson(message)) {
      throw new AppError('conflict', `The message is ${message.status} and does not wait for a person.`, {
        reason: 'not_held',
      })
    }
    const session = await this.options.findSession(message.sessionId)
    const byNode = message.reason === 'held' && session !== null && (await this.tellNode(session, message, decision))
    const changed = await this.change(message, decision, byNode)
    if (!changed) return
    this.options.news.publish([changed])
    if (session && changed.awaiting) this.options.wake(session)
  }

  /** False when the node does not know the message: it has lost its journal, so that the row alone decides. */
  private async tellNode(session: Session, { id, sessionId }: Message, decision: Decision): Promise<boolean> {
    try {
      await this.options.directory.get(session.nodeId).call('ResolveMessage', { sessionId, messageId: id, decision })
      return true
    } catch (error) {
      if (error instanceof AppError && error.code === 'not_found') return false
      throw error
    }
  }

  /** Says so in the row at once; the node's own event of it is then no news. */
  private change(message: Message, decision: Decision, byNode: boolean): Promise<Message | undefined> {
    const { db, repository, events, clock, time } = this.options
    return db.write(async (tx) => {
      const [newest] = await repository.lockedByIds(tx, [message.id])
      if (!newest || !waitsForPerson(newest)) return undefined
      const at = clock()
      const after = moved(newest, { ...newsOf(decision), at })
      if (!after) return undefined
      if (decision === 'resend' && !byNode) {
        // Handed over once more, to be looked for and then sent, with as much time as it had at first.
        after.awaiting = true
        after.expiresAt = time() + ((newest.expiresAt ?? newest.createdAt) - newest.createdAt)
      }
      const { id: messageId, tenantId, status, reason } = after
      await repository.change(tx, [{ before: newest, after }])
      await repository.addHistory(tx, [{ messageId, tenantId, status, ...(reason ? { reason } : {}), at }])
      await events.add(tx, [statusEvent(after, at)], at)
      return after
    })
  }
}

/** In the node's words. */
function newsOf(decision: Decision) {
  const reason = reasonOf[decision]
  if (decision === 'sent') return { status: 'sent' as const, reason }
  return { status: decision === 'failed' ? ('failed' as const) : ('unknown' as const), reason, error: explain(reason) }
}
