import type { Database } from '../db/database.js'
import { change } from '../db/rows.js'
import type { Trimmed, Trimming } from './retention.js'

const AT_ONCE = 500

/** Whole days of usage. */
export class OldUsage implements Trimming {
  constructor(private readonly db: Database) {}

  async *trim(before: number): AsyncGenerator<Trimmed> {
    const day = new Date(before).toISOString().slice(0, 10)
    // The key begins with the tenant.
    const tenants: { id: string }[] = await this.db.read((reader) => reader.query('SELECT id FROM tenants'))
    for (const { id } of tenants) {
      for (let count = AT_ONCE; count === AT_ONCE;) {
        count = await this.remove(id, day)
        if (count > 0) yield { count }
      }
    }
  }

  private remove(tenantId: string, day: string): Promise<number> {
    const old = `tenant_id = ? AND day < ? ORDER BY day LIMIT ${AT_ONCE}`
    const sql =
      this.db.dialect === 'mysql'
        ? `DELETE FROM usage_counts WHERE ${old}`
        : `DELETE FROM usage_counts WHERE rowid IN (SELECT rowid FROM usage_counts WHERE ${old})`
    return this.db.write((tx) => change(tx, sql, [tenantId, day]))
  }
}
