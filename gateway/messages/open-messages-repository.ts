import type { SessionId } from '../../proto/contract.js'
import type { Database } from '../db/database.js'
import { selectRows } from '../db/rows.js'
import { messageTable } from './message-table.js'

export interface OpenCounts {
  pending: number
  /** Without those held. */
  unknown: number
  /** Of unknown outcome, waiting for a person. */
  held: number
  /** When the oldest pending one was accepted: ms since the epoch. */
  oldestPendingAt: number | undefined
}

interface Group {
  status: 'pending' | 'unknown'
  session: SessionId
  count: number | string
  first: number | string
}

/** Outgoing messages that are not over, counted for the metrics over all tenants. */
export class OpenMessagesRepository {
  constructor(private readonly db: Database) {}

  /** What is counted and sorted stands in `ix_messages_status`: rows are read for the oldest one and for the unknown. */
  count(): Promise<OpenCounts> {
    return this.db.read(async (reader) => {
      const groups: Group[] = await reader.query(
        `SELECT status, session_id AS session, COUNT(*) AS count, MIN(position) AS first FROM messages
         WHERE status IN ('pending', 'unknown') AND direction = 'out' GROUP BY status, session_id`,
      )
      const all = (status: Group['status']) => groups.filter((group) => group.status === status)
      const sum = (some: Group[]) => some.reduce((total, { count }) => total + Number(count), 0)
      const [oldest] = all('pending').sort((a, b) => Number(a.first) - Number(b.first))
      const place = `WHERE status = 'pending' AND direction = 'out' AND session_id = ? AND position = ?`
      const [row] = oldest ? await selectRows(reader, messageTable, place, [oldest.session, Number(oldest.first)]) : []
      const unknown = sum(all('unknown'))
      const isHeld = `WHERE status = 'unknown' AND direction = 'out' AND reason = 'held'`
      const [found]: { count: number | string }[] =
        unknown > 0 ? await reader.query(`SELECT COUNT(*) AS count FROM messages ${isHeld}`) : []
      const held = Number(found?.count ?? 0)
      return {
        pending: sum(all('pending')),
        unknown: Math.max(0, unknown - held),
        held,
        oldestPendingAt: row?.createdAt.getTime(),
      }
    })
  }
}
