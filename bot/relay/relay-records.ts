import type { NodeEvent, SessionId } from '../../proto/contract.js'
import type { BotState } from '../bot-state.js'

/** What a Telegram message stands for in WhatsApp. */
export interface RelayedMessage {
  chatId: number
  messageId: number
  sessionId: SessionId
  waChatId: string
  waMessageId: string
}

export interface PendingRelay {
  id: number
  chatId: number
  event: NodeEvent
  attempts: number
}

const columns = `chat_id AS chatId, message_id AS messageId, session_id AS sessionId, wa_chat_id AS waChatId,
  wa_message_id AS waMessageId`

/** Which chats watch which sessions, what waits to be relayed to them, and what was. */
export class RelayRecords {
  constructor(private readonly state: BotState) {}

  /** False when the chat watches it already. */
  watch(chatId: number, sessionId: SessionId): boolean {
    return this.state.run('INSERT OR IGNORE INTO watches VALUES (?, ?)', chatId, sessionId).changes > 0
  }

  /** False when the chat did not watch it. */
  unwatch(chatId: number, sessionId: SessionId): boolean {
    return this.state.run('DELETE FROM watches WHERE chat_id = ? AND session_id = ?', chatId, sessionId).changes > 0
  }

  watchedBy(chatId: number): SessionId[] {
    return this.state
      .all<{ id: SessionId }>('SELECT session_id AS id FROM watches WHERE chat_id = ?', chatId)
      .map(({ id }) => id)
  }

  watchers(sessionId: SessionId): number[] {
    return this.state
      .all<{ id: number }>('SELECT chat_id AS id FROM watches WHERE session_id = ?', sessionId)
      .map(({ id }) => id)
  }

  enqueue(chatId: number, event: NodeEvent): void {
    this.state.run('INSERT INTO pending_relays (chat_id, event) VALUES (?, ?)', chatId, JSON.stringify(event))
  }

  waitingChats(): number[] {
    return this.state.all<{ id: number }>('SELECT DISTINCT chat_id AS id FROM pending_relays').map(({ id }) => id)
  }

  /** The oldest one of a chat. */
  next(chatId: number): PendingRelay | undefined {
    const row = this.state.get<Omit<PendingRelay, 'event'> & { event: string }>(
      'SELECT id, chat_id AS chatId, event, attempts FROM pending_relays WHERE chat_id = ? ORDER BY id LIMIT 1',
      chatId,
    )
    return row && { ...row, event: JSON.parse(row.event) as NodeEvent }
  }

  failed(id: number): void {
    this.state.run('UPDATE pending_relays SET attempts = attempts + 1 WHERE id = ?', id)
  }

  /** It stands in the chat now, as these messages. */
  done(id: number, messages: RelayedMessage[], now: number): void {
    this.state.transaction(() => {
      for (const { chatId, messageId, sessionId, waChatId, waMessageId } of messages) {
        this.state.run(
          'INSERT OR REPLACE INTO relayed VALUES (?, ?, ?, ?, ?, ?)',
          ...[chatId, messageId, sessionId, waChatId, waMessageId, now],
        )
      }
      this.state.run('DELETE FROM pending_relays WHERE id = ?', id)
    })
  }

  /** What a Telegram message was relayed from. */
  origin(chatId: number, messageId: number): RelayedMessage | undefined {
    const sql = `SELECT ${columns} FROM relayed WHERE chat_id = ? AND message_id = ?`
    return this.state.get<RelayedMessage>(sql, chatId, messageId)
  }

  /** Where a WhatsApp message stands in a chat, if it was relayed or sent from there. */
  placeOf(chatId: number, sessionId: SessionId, waMessageId: string): number | undefined {
    return this.state.get<{ id: number }>(
      `SELECT message_id AS id FROM relayed WHERE chat_id = ? AND session_id = ? AND wa_message_id = ?
       UNION ALL
       SELECT command_id AS id FROM sends WHERE chat_id = ? AND session_id = ? AND wa_message_id = ?
       LIMIT 1`,
      ...[chatId, sessionId, waMessageId],
      ...[chatId, sessionId, waMessageId],
    )?.id
  }
}
