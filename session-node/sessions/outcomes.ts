import type { MessageId, MessageStatus, OutgoingMessage, SessionId } from '../../proto/contract.js'
import { explain, type Reason } from '../../proto/reasons.js'
import type { EventLog, SessionRef } from '../journal/event-log.js'
import type { Send, Sends, SendState } from '../journal/sends.js'

export interface Ack {
  waMessageId: string
  chatId: string
  status: MessageStatus
  reason?: Reason
}

const rank: Record<MessageStatus, number> = {
  pending: 0,
  unknown: 0,
  failed: 0,
  sent: 1,
  delivered: 2,
  read: 3,
  played: 4,
}

/**
 * Moves messages of ours and tells it, in one commit: the row and its event never disagree. All methods run inside
 * `journal.write`.
 */
export class Outcomes {
  constructor(
    private readonly sends: Sends,
    private readonly events: EventLog,
  ) {}

  /** Takes a message on. What the bot hands over is new to the gateway and goes into the log with its content. */
  take(session: SessionRef, message: OutgoingMessage): 'taken' | 'known' {
    const taken = this.sends.take(session, message)
    if (taken === 'known') return 'known'
    if (message.origin === 'telegram') this.events.insert(session, { kind: 'message_queued', message })
    if (taken === 'cancelled') this.fail(message.id, 'cancelled')
    return 'taken'
  }

  /** Certain: it did not go out, and will not. */
  fail(id: MessageId, reason: Reason, error?: string): void {
    this.tell(id, 'done', 'failed', reason, error ?? explain(reason))
  }

  unknown(id: MessageId, reason: Reason, error?: string): void {
    this.tell(id, 'unknown', 'unknown', reason, error ?? explain(reason))
  }

  /** No trace was found: it goes out again, first of all, under the id it has. */
  resend(send: Send, check: string): void {
    this.sends.countResend(send.id)
    this.tell(send.id, 'queued', 'unknown', 'resending', `No trace of it in: ${check}. It is sent again under its id.`)
  }

  hold(id: MessageId, why: string): void {
    this.tell(id, 'held', 'unknown', 'held', `${why} ${explain('held')}`)
  }

  /** A person asked to send it again: it is looked for once more, and sent if there is no trace. */
  resendAsked(id: MessageId, now: number): void {
    this.sends.askResend(id, now + (this.sends.lifetimeMs(id) ?? 0))
    this.unknown(id, 'resend_requested')
  }

  /** A person knows what became of it. */
  settled(id: MessageId, status: 'sent' | 'failed'): void {
    if (status === 'sent') this.tell(id, 'done', 'sent', 'settled_sent')
    else this.fail(id, 'settled_failed')
  }

  /** Still waiting, and why. */
  wait(id: MessageId, reason: Reason): void {
    this.tell(id, 'queued', 'pending', reason, explain(reason))
  }

  /** Only forward; an ack that comes after `failed` wins. Answers which message of ours it was. */
  ack(session: SessionRef, ack: Ack): MessageId | undefined {
    const send = this.sends.findByWaId(session.id, ack.waMessageId)
    if (!send) {
      this.events.insert(session, { kind: 'message_status', ...ack })
      return undefined
    }
    if (ack.status === 'failed') {
      if (send.status === 'pending' || send.status === 'unknown')
        this.fail(send.id, ack.reason ?? 'rejected_by_whatsapp')
    } else if (rank[ack.status] > rank[send.status]) {
      this.tellOf(send, 'done', ack.status)
    }
    return send.id
  }

  /** Ends all that is not done, such as when the session is deleted. */
  failOpen(sessionId: SessionId, reason: Reason): void {
    for (const send of this.sends.open(sessionId)) this.fail(send.id, reason)
  }

  /**
   * The session runs on another node by now, and so do its messages: none of them is sent from here any more, also when
   * the session comes back, unless it is handed over again.
   */
  giveAway(sessionId: SessionId): void {
    for (const { id, state, message } of this.sends.open(sessionId)) {
      if (state !== 'queued') this.sends.giveAway(id)
      else if (message.origin === 'telegram') this.fail(id, 'placed_elsewhere')
      else this.sends.forget(id)
    }
  }

  isOurs(sessionId: SessionId, waMessageId: string): boolean {
    return this.sends.findByWaId(sessionId, waMessageId) !== undefined
  }

  private tell(id: MessageId, state: SendState, status: MessageStatus, reason?: Reason, error?: string) {
    const send = this.sends.find(id)
    if (send) this.tellOf(send, state, status, reason, error)
  }

  private tellOf(send: Send, state: SendState, status: MessageStatus, reason?: Reason, error?: string) {
    const { id } = send
    this.sends.settle(id, state, status, reason)
    this.events.insert(
      { id: send.sessionId, tenantId: send.tenantId },
      {
        kind: 'message_status',
        messageId: id,
        waMessageId: send.waMessageId,
        chatId: send.chatId,
        status,
        ...(reason ? { reason } : {}),
        ...(error ? { error } : {}),
      },
    )
  }
}
