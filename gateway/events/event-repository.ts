import type { EntityManager } from 'typeorm'
import type { EventId, NodeId, SessionId, TenantId } from '../../proto/contract.js'
import { takeNumbers } from '../db/counters.js'
import type { Database } from '../db/database.js'
import { inList, insertRows, selectRows } from '../db/rows.js'
import { type EventRow, eventTable } from './event-table.js'
import type { EventType, NewEvent, StoredEvent } from './event.js'

export interface EventFilter {
  sessionIds?: readonly SessionId[] | undefined
  types?: readonly string[] | undefined
}

export class EventRepository {
  constructor(private readonly db: Database) {}

  /**
   * Stores events in this order, and gives each its number in its session and its place in the one order of all. The
   * counter stays locked until the transaction ends: no reader sees a place before all lower ones.
   */
  async add(tx: EntityManager, events: readonly NewEvent[], now: number): Promise<StoredEvent[]> {
    if (events.length === 0) return []
    const sequences = await this.takeSequences(tx, events)
    const first = await takeNumbers(tx, 'event_place', events.length)
    const stored = events.map((event, index): StoredEvent => {
      const sequence = (sequences.get(event.sessionId) ?? 0) + 1
      sequences.set(event.sessionId, sequence)
      return { ...event, sequence, place: first + index }
    })
    await insertRows(
      tx,
      eventTable,
      stored.map((event) => toRow(event, now)),
    )
    return stored
  }

  /** Raises each session's number and answers with what it was before. */
  private async takeSequences(tx: EntityManager, events: readonly NewEvent[]): Promise<Map<SessionId, number>> {
    const counts = new Map<SessionId, number>()
    for (const { sessionId } of events) counts.set(sessionId, (counts.get(sessionId) ?? 0) + 1)
    // Always in the same order, so that two transactions cannot wait for each other.
    const ids = [...counts.keys()].sort()
    const cases = ids.map(() => 'WHEN ? THEN ?').join(' ')
    await tx.query(`UPDATE sessions SET sequence = sequence + CASE id ${cases} END WHERE id IN ${inList(ids)}`, [
      ...ids.flatMap((id) => [id, counts.get(id)]),
      ...ids,
    ])
    const rows: { id: SessionId; sequence: number | string }[] = await tx.query(
      `SELECT id, sequence FROM sessions WHERE id IN ${inList(ids)}`,
      ids,
    )
    return new Map(rows.map(({ id, sequence }) => [id, Number(sequence) - (counts.get(id) ?? 0)]))
  }

  /** Oldest first, after a place. */
  async list(tenantId: TenantId, after: number, limit: number, filter: EventFilter = {}): Promise<StoredEvent[]> {
    const conditions: [sql: string, values: readonly unknown[]][] = [
      ['tenant_id = ?', [tenantId]],
      ['place > ?', [after]],
    ]
    const { sessionIds } = filter
    if (sessionIds?.length === 0) return []
    if (sessionIds) conditions.push([`session_id IN ${inList(sessionIds)}`, sessionIds])
    if (filter.types?.length) conditions.push([`type IN ${inList(filter.types)}`, filter.types])
    const where = conditions.map(([sql]) => sql).join(' AND ')
    const values = conditions.flatMap(([, given]) => given)
    const rows = await this.db.read((reader) =>
      selectRows(reader, eventTable, `WHERE ${where} ORDER BY place LIMIT ${Number(limit)}`, values),
    )
    return rows.map(toEvent)
  }

  async findById(tenantId: TenantId, id: EventId): Promise<StoredEvent | null> {
    const [row] = await this.db.read((reader) =>
      selectRows(reader, eventTable, 'WHERE id = ? AND tenant_id = ?', [id, tenantId]),
    )
    return row ? toEvent(row) : null
  }
}

function toRow({ source, data, at, ...event }: StoredEvent, now: number): EventRow {
  return {
    ...event,
    nodeId: (source?.nodeId as NodeId | undefined) ?? null,
    epoch: source?.epoch ?? null,
    position: source?.position ?? null,
    body: data,
    at: new Date(at),
    createdAt: new Date(now),
  }
}

function toEvent(row: EventRow): StoredEvent {
  const { id, tenantId, sequence, place, nodeId, epoch, position } = row
  return {
    id,
    tenantId,
    sessionId: row.sessionId as SessionId,
    ...(nodeId && epoch !== null && position !== null ? { source: { nodeId, epoch, position } } : {}),
    type: row.type as EventType,
    data: row.body as StoredEvent['data'],
    at: row.at.getTime(),
    sequence: sequence ?? 0,
    place,
  }
}
