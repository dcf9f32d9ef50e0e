import type { EntityManager } from 'typeorm'
import type { MessageId, MessageStatus, SessionId, TenantId } from '../../proto/contract.js'
import { newId } from '../../runtime/ids.js'
import { takeNumbers } from '../db/counters.js'
import type { Database } from '../db/database.js'
import { inList, insertRows, selectRows, timeValue, updateRows } from '../db/rows.js'
import { change, oneOf, query } from '../db/statements.js'
import type { Direction, Message, StatusChange } from './message.js'
import { changedFields, messageToRow, rowToMessage } from './message-row.js'
import { type MessageHistoryRow, type MessageRow, messageHistoryTable, messageTable } from './message-table.js'

export interface MessageFilter {
  sessionIds?: readonly SessionId[] | undefined
  chatId?: string | undefined
  direction?: Direction | undefined
  status?: MessageStatus | undefined
  type?: string | undefined
  /** ms since the epoch, inclusive. */
  since?: number | undefined
  /** Exclusive. */
  until?: number | undefined
}

/** A message and its place in lists. */
export interface Placed {
  message: Message
  position: number
}

/** A message that no node has taken on, as its row says. */
export interface Awaiting {
  id: MessageId
  sessionId: SessionId
  status: MessageStatus
  position: number
}

/** Changes of rows that are there: before and after. */
export interface MessageChange {
  before: Message
  after: Message
}

/** How rows are found by what WhatsApp calls them. */
export interface WaKey {
  sessionId: SessionId
  direction: Direction
  waMessageId: string
}

/** Hears in the transaction itself what became of rows, whoever changed them. */
export interface MessageCounting {
  count(tx: EntityManager, added: readonly Message[], changes: readonly MessageChange[]): Promise<void>
}

/** In one condition: SQLite takes less than a thousand. */
const MOST_KEYS = 200

export class MessageRepository {
  constructor(
    private readonly db: Database,
    private readonly counting?: MessageCounting,
  ) {}

  private read(condition: string, values: readonly unknown[]): Promise<MessageRow[]> {
    return this.db.read((reader) => selectRows(reader, messageTable, condition, values))
  }

  /** New messages, in this order. */
  async add(tx: EntityManager, messages: readonly Message[]): Promise<void> {
    if (messages.length === 0) return
    const first = await takeNumbers(tx, 'message_position', messages.length)
    await insertRows(
      tx,
      messageTable,
      messages.map((message, index) => messageToRow(message, first + index)),
    )
    await this.counting?.count(tx, messages, [])
  }

  async addHistory(tx: EntityManager, changes: readonly (StatusChange & { tenantId: TenantId })[]): Promise<void> {
    const rows = changes.map(({ messageId, tenantId, status, reason, at }): MessageHistoryRow => ({
      id: newId('his'),
      tenantId,
      messageId,
      status,
      reason: reason ?? null,
      at: new Date(at),
    }))
    if (rows.length > 0) await insertRows(tx, messageHistoryTable, rows)
  }

  /** Writes what differs. */
  async change(tx: EntityManager, changes: readonly MessageChange[]): Promise<void> {
    const pairs = changes.map(({ before, after }) => ({
      before: messageToRow(before, 0),
      after: messageToRow(after, 0),
    }))
    const fields = changedFields(pairs)
    if (fields.length === 0) return
    await updateRows(
      tx,
      messageTable,
      'id',
      fields,
      pairs.map(({ after }) => after),
    )
    await this.counting?.count(tx, [], changes)
  }

  /** Nobody else changes them until the transaction ends. */
  async lockedByIds(tx: EntityManager, ids: readonly MessageId[]): Promise<Message[]> {
    if (ids.length === 0) return []
    const { sql, values } = oneOf(ids)
    return (await selectRows(tx, messageTable, `WHERE id ${sql} ${this.forUpdate}`, values)).map(rowToMessage)
  }

  /** On SQLite nobody else writes meanwhile, whatever is read. */
  private get forUpdate(): string {
    return this.db.dialect === 'sqlite' ? '' : 'FOR UPDATE'
  }

  async idsByWaIds(tx: EntityManager, keys: readonly WaKey[]): Promise<MessageId[]> {
    const one = '(session_id = ? AND direction = ? AND wa_message_id = ?)'
    const found: MessageId[] = []
    for (let at = 0; at < keys.length; at += MOST_KEYS) {
      const some = keys.slice(at, at + MOST_KEYS)
      const condition = some.map(() => one).join(' OR ')
      const values = some.flatMap(({ sessionId, direction, waMessageId }) => [sessionId, direction, waMessageId])
      const rows = await query<{ id: MessageId }>(tx, `SELECT id FROM messages WHERE ${condition}`, values)
      found.push(...rows.map(({ id }) => id))
    }
    return found
  }

  async find(tenantId: TenantId, id: MessageId): Promise<Message | null> {
    const [row] = await this.read('WHERE id = ? AND tenant_id = ?', [id, tenantId])
    return row ? rowToMessage(row) : null
  }

  async history(tenantId: TenantId, id: MessageId): Promise<StatusChange[]> {
    const condition = 'WHERE message_id = ? AND tenant_id = ? ORDER BY id'
    const rows = await this.db.read((reader) => selectRows(reader, messageHistoryTable, condition, [id, tenantId]))
    return rows.map(({ messageId, status, reason, at }) => ({
      messageId,
      status,
      ...(reason ? { reason } : {}),
      at: at.getTime(),
    }))
  }

  /** Newest first. `before` is the position of the last one seen. */
  async list(
    tenantId: TenantId,
    filter: MessageFilter,
    { limit, before }: { limit: number; before: number | undefined },
  ): Promise<Placed[]> {
    const conditions: [sql: string, ...values: unknown[]][] = [['tenant_id = ?', tenantId]]
    const { sessionIds, chatId, direction, status, type, since, until } = filter
    if (sessionIds?.length === 0) return []
    if (sessionIds) conditions.push([`session_id IN ${inList(sessionIds)}`, ...sessionIds])
    if (chatId) conditions.push(['chat_id = ?', chatId])
    if (direction) conditions.push(['direction = ?', direction])
    if (status) conditions.push(['status = ?', status])
    if (type) conditions.push(['type = ?', type])
    if (since !== undefined) conditions.push(['created_at >= ?', timeValue(this.db.dialect, since)])
    if (until !== undefined) conditions.push(['created_at < ?', timeValue(this.db.dialect, until)])
    if (before !== undefined) conditions.push(['position < ?', before])
    const where = conditions.map(([sql]) => sql).join(' AND ')
    const values = conditions.flatMap(([, ...given]) => given)
    const condition = `WHERE ${where} ORDER BY position DESC LIMIT ${Number(limit)}`
    const rows = await this.read(condition, values)
    return rows.map((row) => ({ message: rowToMessage(row), position: row.position }))
  }

  // ---- hand-over ----

  /** Sessions with messages that no node has taken on, whichever node they are on. */
  async sessionsAwaiting(): Promise<SessionId[]> {
    const rows: { awaiting: SessionId }[] = await this.db.read((reader) =>
      query(reader, 'SELECT DISTINCT awaiting FROM messages WHERE awaiting IS NOT NULL'),
    )
    return rows.map(({ awaiting }) => awaiting)
  }

  /** Oldest first. */
  async awaiting(sessionId: SessionId, limit: number): Promise<Message[]> {
    const condition = `WHERE awaiting = ? ORDER BY position LIMIT ${Number(limit)}`
    return (await this.read(condition, [sessionId])).map(rowToMessage)
  }

  /** The oldest of each of these sessions, oldest first. */
  async awaitingOf(sessionIds: readonly SessionId[], limitEach: number): Promise<Awaiting[]> {
    const oldest = `SELECT id, awaiting AS sessionId, status, position FROM messages
      WHERE awaiting = ? ORDER BY position LIMIT ?`
    const rows = await this.db.read(async (reader) => {
      // Each session by itself reads the beginning of the index; one condition for all would sort all that waits.
      if (this.db.dialect === 'mysql' && sessionIds.length > 1) {
        const given = sessionIds.flatMap((id) => [id, limitEach])
        return query<Awaiting>(reader, sessionIds.map(() => `(${oldest})`).join(' UNION ALL '), given)
      }
      return (await Promise.all(sessionIds.map((id) => query<Awaiting>(reader, oldest, [id, limitEach])))).flat()
    })
    return rows.map((row) => ({ ...row, position: Number(row.position) })).toSorted((a, b) => a.position - b.position)
  }

  /** By id. */
  async readAll(ids: readonly MessageId[]): Promise<Map<MessageId, Message>> {
    if (ids.length === 0) return new Map()
    const { sql, values } = oneOf(ids)
    return new Map((await this.read(`WHERE id ${sql}`, values)).map((row) => [row.id, rowToMessage(row)]))
  }

  /** Messages that no node can have, and whose time is up. */
  async unofferedExpired(sessionId: SessionId, now: number, limit: number): Promise<Message[]> {
    const condition = `WHERE awaiting = ? AND offered = 0 AND expires_at <= ? ORDER BY position LIMIT ${Number(limit)}`
    return (await this.read(condition, [sessionId, timeValue(this.db.dialect, now)])).map(rowToMessage)
  }

  /** Answers which of them wait still. */
  async markOffered(tx: EntityManager, ids: readonly MessageId[]): Promise<MessageId[]> {
    const { sql, values } = oneOf(ids)
    const waiting = `awaiting IS NOT NULL AND id ${sql}`
    await change(tx, `UPDATE messages SET offered = 1 WHERE ${waiting}`, values)
    const rows = await query<{ id: MessageId }>(tx, `SELECT id FROM messages WHERE ${waiting}`, values)
    return rows.map(({ id }) => id)
  }

  async markTaken(tx: EntityManager, ids: readonly MessageId[], epoch: string, at: number): Promise<void> {
    const { sql, values } = oneOf(ids)
    await change(
      tx,
      `UPDATE messages SET awaiting = NULL, epoch = ?, handed_over_at = ? WHERE awaiting IS NOT NULL AND id ${sql}`,
      [epoch, timeValue(this.db.dialect, at), ...values],
    )
  }

  /** What a session has not finished sending; nobody else changes these until the transaction ends. */
  async openOf(tx: EntityManager, sessionId: SessionId): Promise<Message[]> {
    const open = "WHERE session_id = ? AND direction = 'out' AND status IN ('pending', 'unknown') ORDER BY position"
    return (await selectRows(tx, messageTable, `${open} ${this.forUpdate}`, [sessionId])).map(rowToMessage)
  }

  /** Those of these sessions that have not finished sending. */
  async sessionsWithOpen(sessionIds: readonly SessionId[]): Promise<SessionId[]> {
    if (sessionIds.length === 0) return []
    const condition = "status IN ('pending', 'unknown') AND direction = 'out'"
    const { sql, values } = oneOf(sessionIds)
    const rows = await this.db.read((reader) =>
      query<{ id: SessionId }>(
        reader,
        `SELECT DISTINCT session_id AS id FROM messages WHERE ${condition} AND session_id ${sql}`,
        values,
      ),
    )
    return rows.map(({ id }) => id)
  }

  /** A portion of what a session has not finished sending; nobody else changes these until the transaction ends. */
  async openAfter(
    tx: EntityManager,
    { sessionId, status }: { sessionId: SessionId; status: 'pending' | 'unknown' },
    position: number,
    limit: number,
  ): Promise<Placed[]> {
    const rows = await selectRows(
      tx,
      messageTable,
      `WHERE status = ? AND direction = 'out' AND session_id = ? AND position > ?
       ORDER BY position LIMIT ${Number(limit)} ${this.forUpdate}`,
      [status, sessionId, position],
    )
    return rows.map((row) => ({ message: rowToMessage(row), position: row.position }))
  }
}
