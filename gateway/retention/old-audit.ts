import type { Database } from '../db/database.js'
import { change, inList, timeValue } from '../db/rows.js'
import type { Trimmed, Trimming } from './retention.js'

const AT_ONCE = 500

/** Lines of the audit log, oldest first. */
export class OldAudit implements Trimming {
  constructor(private readonly db: Database) {}

  async *trim(before: number): AsyncGenerator<Trimmed> {
    for (let full = true; full;) {
      const old: { id: string }[] = await this.db.read((reader) =>
        reader.query(`SELECT id FROM audit WHERE at < ? ORDER BY at LIMIT ${AT_ONCE}`, [
          timeValue(this.db.dialect, before),
        ]),
      )
      full = old.length === AT_ONCE
      if (old.length === 0) return
      const ids = old.map(({ id }) => id)
      yield { count: await this.db.write((tx) => change(tx, `DELETE FROM audit WHERE id IN ${inList(ids)}`, ids)) }
    }
  }
}
