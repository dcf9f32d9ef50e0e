import type { Decision, MessageId, NodeEvent, SessionId } from '../../proto/contract.js'
import type { Clock } from '../../runtime/clock.js'
import type { Service } from '../../runtime/lifecycle.js'
import type { Logger } from '../../runtime/log.js'
import type { Background } from '../background.js'
import type { BotState } from '../bot-state.js'
import { shownChat } from '../sends/send-status.js'
import type { LiveSessions } from '../sessions/live-sessions.js'
import { type Html, lines, rich } from '../telegram/html.js'
import type { Button, Talk } from '../telegram/talk.js'
import { tellOperators } from './tell-operators.js'

interface Held {
  messageId: MessageId
  sessionId: SessionId
  waChatId: string
}

interface Parts {
  operators: readonly number[]
  state: BotState
  live: LiveSessions
  talk: Talk
  background: Background
  clock: Clock
  log: Logger
}

const columns = 'message_id AS messageId, session_id AS sessionId, wa_chat_id AS waChatId'

/** What an operator can say of a message whose outcome nobody knows. */
export function decisionButtons(id: MessageId): Button[][] {
  const button = (text: string, decision: Decision) => ({ text, data: `held:${decision}:${id}` })
  return [[button('Send again', 'resend')], [button('It arrived', 'sent'), button('It did not arrive', 'failed')]]
}

/** Tells operators, once each, of held messages that were not sent from Telegram: those have an answer of their own. */
export class HeldMessages implements Service {
  constructor(private readonly parts: Parts) {}

  /** Tells what an earlier run left untold. */
  start(): Promise<void> {
    const untold = this.parts.state.all<Held>(`SELECT ${columns} FROM held_messages WHERE told = 0`)
    for (const held of untold) this.tellLater(held)
    return Promise.resolve()
  }

  stop(): Promise<void> {
    return Promise.resolve()
  }

  /** Inside the transaction that saves the position. True when it was one. */
  note({ sessionId, body }: NodeEvent): boolean {
    if (body.kind !== 'message_status' || body.reason !== 'held' || !body.messageId) return false
    const held = { messageId: body.messageId, sessionId, waChatId: body.chatId }
    const { changes } = this.parts.state.run(
      'INSERT OR IGNORE INTO held_messages (message_id, session_id, wa_chat_id, at) VALUES (?, ?, ?, ?)',
      held.messageId,
      sessionId,
      held.waChatId,
      this.parts.clock(),
    )
    if (changes > 0) this.tellLater(held)
    return true
  }

  /** How the alert of a message begins; undefined when there was none. */
  titleOf(id: string): Html | undefined {
    const held = this.parts.state.get<Held>(`SELECT ${columns} FROM held_messages WHERE message_id = ?`, id)
    return held && this.title(held)
  }

  /** Undefined when there was no alert of it. */
  sessionOf(id: string): SessionId | undefined {
    return this.parts.state.get<Held>(`SELECT ${columns} FROM held_messages WHERE message_id = ?`, id)?.sessionId
  }

  private title({ sessionId, waChatId }: Held): Html {
    return rich`<b>${this.parts.live.nameOf(sessionId)}</b> → ${shownChat(waChatId)}`
  }

  private tellLater(held: Held): void {
    const { background, log } = this.parts
    background.run(
      () => this.tell(held),
      (err) => log.warn({ err, message: held.messageId }, 'held_message.not_told'),
    )
  }

  private async tell(held: Held): Promise<void> {
    const text = lines(
      rich`❔ ${this.title(held)}`,
      rich`It is not known whether this message went out. Look on the phone, and decide.`,
    )
    await tellOperators(this.parts, text, { buttons: decisionButtons(held.messageId) })
    this.parts.state.run('UPDATE held_messages SET told = 1 WHERE message_id = ?', held.messageId)
  }
}
