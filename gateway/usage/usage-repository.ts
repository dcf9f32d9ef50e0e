import type { NodeId } from '../../proto/contract.js'
import type { Database, Tx } from '../db/database.js'
import { change, marks, query, sqliteOf, statementOf } from '../db/statements.js'
import type { UsageCount } from './usage.js'
import type { UsageNodeRow } from './usage-table.js'

const MOST_AT_ONCE = 500

export class UsageRepository {
  constructor(private readonly db: Database) {}

  /** Adds to the numbers, in this order. */
  async add(tx: Tx, counts: readonly UsageCount[]): Promise<void> {
    if (counts.length === 0) return
    const into = 'INSERT INTO usage_counts (tenant_id, day, session_id, metric, amount) VALUES'
    const db = sqliteOf(tx)
    if (db) {
      const key = '(tenant_id, day, session_id, metric)'
      const raised = 'amount = amount + excluded.amount'
      const statement = statementOf(db, `${into} (?, ?, ?, ?, ?) ON CONFLICT ${key} DO UPDATE SET ${raised}`)
      for (const count of counts) statement.run(...valuesOf(count))
      return
    }
    for (let at = 0; at < counts.length; at += MOST_AT_ONCE) {
      const some = counts.slice(at, at + MOST_AT_ONCE)
      const groups = some.map(() => `(${marks(5)})`).join(', ')
      const raised = 'amount = amount + VALUES(amount)'
      await change(tx, `${into} ${groups} ON DUPLICATE KEY UPDATE ${raised}`, some.flatMap(valuesOf))
    }
  }

  // ---- time connected ----

  /** Moves on until when a node's sessions are counted. False when another gateway has, too. */
  async moveNode(tx: Tx, nodeId: NodeId, from: number, to: number): Promise<boolean> {
    const sql = 'UPDATE usage_nodes SET counted_to = ? WHERE node_id = ? AND counted_to = ?'
    return (await change(tx, sql, [to, nodeId, from])) === 1
  }

  /** Until when a node's sessions are counted; from `now` on where they never were. */
  nodeCountedTo(nodeId: NodeId, now: number): Promise<number> {
    const known = async (reader: Tx) => {
      const sql = 'SELECT counted_to AS countedTo FROM usage_nodes WHERE node_id = ?'
      const [row] = await query<Pick<UsageNodeRow, 'countedTo'>>(reader, sql, [nodeId])
      return row && Number(row.countedTo)
    }
    return this.db.write(async (tx) => {
      const found = await known(tx)
      if (found !== undefined) return found
      const into = this.db.dialect === 'sqlite' ? 'INSERT OR IGNORE' : 'INSERT IGNORE'
      await change(tx, `${into} INTO usage_nodes (node_id, counted_to) VALUES (?, ?)`, [nodeId, now])
      return (await known(tx)) ?? now
    })
  }
}

function valuesOf({ tenantId, day, sessionId, metric, amount }: UsageCount): unknown[] {
  return [tenantId, day, sessionId ?? '', metric, amount]
}
