import type { Database, Tx } from '../db/database.js'
import { change, marks, sqliteOf, statementOf } from '../db/statements.js'
import type { UsageCount } from './usage.js'

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
}

function valuesOf({ tenantId, day, sessionId, metric, amount }: UsageCount): unknown[] {
  return [tenantId, day, sessionId ?? '', metric, amount]
}
