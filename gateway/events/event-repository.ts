import type { EntityManager } from 'typeorm'
import type { EventId, NodeId, SessionId, TenantId } from '../../proto/contract.js'
import { takeNumbers } from '../db/counters.js'
import type { Database, Tx } from '../db/database.js'
import { inList, insertRows, selectRows } from '../db/rows.js'
import { change, oneOf, query } from '../db/statements.js'
import { type EventRow, eventTable } from './event-table.js'
import type { EventType } from './catalogue/catalogue.js'
import type { SealedData } from './sealed-data.js'
import type { EventSession, NewEvent, StoredEvent } from './event.js'
import { sessionSequenceTable } from './session-sequence-table.js'

/** For what is about all of them: the live tail, what operators are told. */
export const ALL_TENANTS = '*'

export interface EventFilter {
  /** Said each time, so that nobody reads what is another's by forgetting it. */
  tenantId: TenantId | typeof ALL_TENANTS
  /** Only of these; events without a session are then left out. */
  sessionIds?: readonly SessionId[] | undefined
  types?: readonly string[] | undefined
}

export interface EventRepositoryOptions {
  sealing: SealedData
  /** In the transaction that stores events: what is owed because of them. */
  onAdded?: (tx: Tx, events: readonly StoredEvent[]) => Promise<void>
}

/** A session's part in what is being stored. */
interface Counted extends EventSession {
  sequence: number
}

/** Places that are looked through at once. */
const SPAN = 5_000

export class EventRepository {
  constructor(
    private readonly db: Database,
    private readonly options: EventRepositoryOptions,
  ) {}

  /**
   * Stores events in this order, and gives each its number in its session and its place in the one order of all. The
   * counter stays locked until the transaction ends: no reader sees a place before all lower ones.
   */
  async add(tx: EntityManager, events: readonly NewEvent[], now: number): Promise<StoredEvent[]> {
    if (events.length === 0) return []
    const sessions = await this.takeSequences(tx, events)
    const first = await takeNumbers(tx, 'event_place', events.length)
    const stored = events.map((event, index): StoredEvent => {
      const place = first + index
      const known = event.sessionId && sessions.get(event.sessionId)
      if (!known) return { ...event, place }
      known.sequence += 1
      const { sequence, name, phone } = known
      return { ...event, session: { name, ...(phone ? { phone } : {}) }, sequence, place }
    })
    await insertRows(
      tx,
      eventTable,
      stored.map((event) => this.toRow(event, now)),
    )
    await this.options.onAdded?.(tx, stored)
    return stored
  }

  /** Raises each session's number and answers with what it was before. */
  private async takeSequences(tx: EntityManager, events: readonly NewEvent[]): Promise<Map<SessionId, Counted>> {
    const counts = new Map<SessionId, number>()
    for (const { sessionId } of events) if (sessionId) counts.set(sessionId, (counts.get(sessionId) ?? 0) + 1)
    if (counts.size === 0) return new Map()
    // Always in the same order, so that two transactions cannot wait for each other.
    const ids = [...counts.keys()].sort()
    const cases = ids.map(() => 'WHEN ? THEN ?').join(' ')
    const raised = `sequence = sequence + CASE session_id ${cases} END`
    await change(tx, `UPDATE session_sequences SET ${raised} WHERE session_id IN ${inList(ids)}`, [
      ...ids.flatMap((id) => [id, counts.get(id)]),
      ...ids,
    ])
    const { sql, values } = oneOf(ids)
    const rows = await query<{ id: SessionId; name: string; phone: string | null; sequence: number | string | null }>(
      tx,
      `SELECT s.id, s.name, s.phone, n.sequence FROM sessions s
       LEFT JOIN session_sequences n ON n.session_id = s.id WHERE s.id ${sql}`,
      values,
    )
    // Without one only in the transaction that makes the session: nobody else can be numbering it.
    const fresh = rows.filter(({ sequence }) => sequence === null)
    if (fresh.length > 0) {
      const first = fresh.map(({ id }) => ({ sessionId: id, sequence: counts.get(id) ?? 0 }))
      await insertRows(tx, sessionSequenceTable, first)
    }
    return new Map(
      rows.map(({ id, name, phone, sequence }) => [
        id,
        {
          name,
          ...(phone ? { phone } : {}),
          sequence: sequence === null ? 0 : Number(sequence) - (counts.get(id) ?? 0),
        },
      ]),
    )
  }

  /** Oldest first, after a place. */
  async list(after: number, limit: number, filter: EventFilter): Promise<StoredEvent[]> {
    if (!filter.sessionIds && !filter.types?.length) return this.listBetween(after, undefined, limit, filter)
    // What is looked for may be rare: it is looked for bit by bit, because others want something of the database, too.
    const newest = await this.newestPlace()
    const found: StoredEvent[] = []
    for (let from = (await this.nextPlace(after)) - 1; from < newest && found.length < limit; from += SPAN) {
      found.push(...(await this.listBetween(from, from + SPAN, limit - found.length, filter)))
      await new Promise((resolve) => setImmediate(resolve))
    }
    return found
  }

  private async listBetween(after: number, upTo: number | undefined, limit: number, filter: EventFilter) {
    const conditions: [sql: string, values: readonly unknown[]][] = [['place > ?', [after]]]
    const { tenantId, sessionIds, types } = filter
    if (sessionIds?.length === 0) return []
    if (upTo !== undefined) conditions.push(['place <= ?', [upTo]])
    if (tenantId !== ALL_TENANTS) conditions.push(['tenant_id = ?', [tenantId]])
    if (sessionIds) conditions.push([`session_id IN ${inList(sessionIds)}`, sessionIds])
    if (types?.length) conditions.push([`type IN ${inList(types)}`, types])
    const where = conditions.map(([sql]) => sql).join(' AND ')
    const values = conditions.flatMap(([, given]) => given)
    return this.select(`WHERE ${where} ORDER BY place LIMIT ${Number(limit)}`, values)
  }

  async findById(tenantId: TenantId, id: EventId): Promise<StoredEvent | null> {
    const [event] = await this.select('WHERE id = ? AND tenant_id = ?', [id, tenantId])
    return event ?? null
  }

  byIds(ids: readonly EventId[]): Promise<StoredEvent[]> {
    return ids.length === 0 ? Promise.resolve([]) : this.select(`WHERE id IN ${inList(ids)}`, ids)
  }

  /** The first place after another at which there is an event; old ones are removed. */
  private async nextPlace(after: number): Promise<number> {
    const sql = 'SELECT place FROM events WHERE place > ? ORDER BY place LIMIT 1'
    const [row] = await this.db.read((reader) => query<{ place: number | string }>(reader, sql, [after]))
    return row ? Number(row.place) : Infinity
  }

  /** The newest place of all. */
  async newestPlace(): Promise<number> {
    const [row] = await this.db.read((reader) =>
      reader.query<{ value: number | string }[]>("SELECT value FROM counters WHERE name = 'event_place'"),
    )
    return Number(row?.value ?? 0)
  }

  /** The place after which every event stands that was stored at this time or later. */
  async placeBefore(time: Date): Promise<number> {
    let [low, high] = [0, await this.newestPlace()]
    // Places follow the time at which events were stored: halving finds it without an index on times.
    while (low < high) {
      const middle = Math.ceil((low + high) / 2)
      const [row] = await this.db.read((reader) =>
        selectRows(reader, eventTable, 'WHERE place >= ? AND place <= ? ORDER BY place LIMIT 1', [middle, high]),
      )
      if (row && row.createdAt < time) low = row.place
      else high = middle - 1
    }
    return low
  }

  private async select(condition: string, values: readonly unknown[]): Promise<StoredEvent[]> {
    const rows = await this.db.read((reader) => selectRows(reader, eventTable, condition, values))
    return rows.map((row) => this.toEvent(row))
  }

  private toRow(stored: StoredEvent, now: number): EventRow {
    const { source, session } = stored
    return {
      id: stored.id,
      tenantId: stored.tenantId,
      sessionId: stored.sessionId ?? null,
      sessionName: session?.name ?? null,
      sessionPhone: session?.phone ?? null,
      sequence: stored.sequence ?? null,
      place: stored.place,
      nodeId: (source?.nodeId as NodeId | undefined) ?? null,
      epoch: source?.epoch ?? null,
      position: source?.position ?? null,
      type: stored.type,
      body: this.options.sealing.seal(stored),
      at: new Date(stored.at),
      createdAt: new Date(now),
      traceId: stored.traceId ?? null,
    }
  }

  private toEvent(row: EventRow): StoredEvent {
    const { id, tenantId, sessionId, sessionName, sessionPhone, sequence, place, nodeId, epoch, position, traceId } =
      row
    const type = row.type as EventType
    return {
      id,
      tenantId,
      ...(sessionId
        ? { sessionId, session: { name: sessionName ?? '', ...(sessionPhone ? { phone: sessionPhone } : {}) } }
        : {}),
      ...(nodeId && epoch !== null && position !== null ? { source: { nodeId, epoch, position } } : {}),
      ...(traceId ? { traceId } : {}),
      type,
      data: this.options.sealing.open({ id, type, data: row.body as StoredEvent['data'] }),
      at: row.at.getTime(),
      ...(sequence === null ? {} : { sequence }),
      place,
    }
  }
}
