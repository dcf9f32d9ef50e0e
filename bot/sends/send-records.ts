import type { MessageId, MessageStatus, OutgoingMessage, SessionId } from '../../proto/contract.js'
import type { BotState } from '../bot-state.js'

/** A message that an operator sent, and the Telegram message that shows how far it is. */
export interface SendRecord {
  messageId: MessageId
  waMessageId: string
  waChatId: string
  sessionId: SessionId
  chatId: number
  commandId: number
  answerId: number | null
  status: MessageStatus
  reason: string | null
  error: string | null
  /** Status and reason that the answer shows. */
  shown: string | null
}

const columns = `message_id AS messageId, wa_message_id AS waMessageId, wa_chat_id AS waChatId, session_id AS sessionId,
  chat_id AS chatId, command_id AS commandId, answer_id AS answerId, status, reason, error, shown`

/** What the answer of a record should show. */
export function showing({ status, reason }: Pick<SendRecord, 'status' | 'reason'>): string {
  return `${status}:${reason ?? ''}`
}

export class SendRecords {
  constructor(private readonly state: BotState) {}

  /** Keeps the record that is there when the message was asked for before. */
  add(
    message: OutgoingMessage,
    asked: { sessionId: SessionId; chatId: number; messageId: number },
    now: number,
  ): SendRecord {
    this.state.run(
      `INSERT OR IGNORE INTO sends (message_id, wa_message_id, wa_chat_id, session_id, chat_id, command_id, status,
       created_at) VALUES (?, ?, ?, ?, ?, ?, 'pending', ?)`,
      message.id,
      message.waMessageId,
      message.to,
      asked.sessionId,
      asked.chatId,
      asked.messageId,
      now,
    )
    return this.get(message.id)
  }

  find(messageId: string): SendRecord | undefined {
    return this.state.get<SendRecord>(`SELECT ${columns} FROM sends WHERE message_id = ?`, messageId)
  }

  get(messageId: string): SendRecord {
    const record = this.find(messageId)
    if (!record) throw new Error(`There is no send ${messageId}`)
    return record
  }

  findByWhatsAppId(sessionId: SessionId, waMessageId: string): SendRecord | undefined {
    return this.state.get<SendRecord>(
      `SELECT ${columns} FROM sends WHERE session_id = ? AND wa_message_id = ?`,
      sessionId,
      waMessageId,
    )
  }

  setStatus(messageId: MessageId, status: MessageStatus, reason: string | null, error: string | null): void {
    this.state.run(
      'UPDATE sends SET status = ?, reason = ?, error = ? WHERE message_id = ?',
      status,
      reason,
      error,
      messageId,
    )
  }

  setAnswer(messageId: MessageId, answerId: number, shown: string | null): void {
    this.state.run('UPDATE sends SET answer_id = ?, shown = ? WHERE message_id = ?', answerId, shown, messageId)
  }

  setShown(messageId: MessageId, shown: string): void {
    this.state.run('UPDATE sends SET shown = ? WHERE message_id = ?', shown, messageId)
  }

  /** Answers that say something older than what is known, and those newer than `since` that were never given. */
  outdated(since: number): MessageId[] {
    return this.state
      .all<{ messageId: MessageId }>(
        `SELECT message_id AS messageId FROM sends
         WHERE (answer_id IS NULL AND created_at > ?) OR shown <> status || ':' || coalesce(reason, '')`,
        since,
      )
      .map(({ messageId }) => messageId)
  }
}
