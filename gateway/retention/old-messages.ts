import type { Database } from '../db/database.js'
import { change, inList, timeValue } from '../db/rows.js'
import type { Trimmed, Trimming } from './retention.js'

const AT_ONCE = 200
/** Whoever has asked for it still waits for what becomes of it. */
const OVER = `status NOT IN ('pending', 'unknown') AND awaiting IS NULL`

interface OldMessage {
  id: string
  position: number | string
  old: number | boolean
  isOver: number | boolean
}

/** Messages that are over, with their history, oldest first. */
export class OldMessages implements Trimming {
  constructor(private readonly db: Database) {}

  async *trim(before: number): AsyncGenerator<Trimmed> {
    // The order of messages has an index per tenant only.
    const tenants: { id: string }[] = await this.db.read((reader) => reader.query('SELECT id FROM tenants'))
    for (const { id } of tenants) yield* this.trimTenant(id, before)
  }

  private async *trimTenant(tenantId: string, before: number): AsyncGenerator<Trimmed> {
    let after = -1
    for (let full = true; full;) {
      const oldest = await this.oldest(tenantId, after, before)
      const end = oldest.findIndex(({ old }) => Number(old) === 0)
      const old = end < 0 ? oldest : oldest.slice(0, end)
      full = old.length === AT_ONCE
      after = Number(old.at(-1)?.position ?? after)
      const due = old.filter(({ isOver }) => Number(isOver) === 1).map(({ id }) => id)
      if (due.length > 0) yield { count: await this.remove(due) }
    }
  }

  private oldest(tenantId: string, after: number, before: number): Promise<OldMessage[]> {
    return this.db.read((reader) =>
      reader.query(
        `SELECT id, position, (created_at < ?) AS old, (${OVER}) AS isOver FROM messages
         WHERE tenant_id = ? AND position > ? ORDER BY position LIMIT ${AT_ONCE}`,
        [timeValue(this.db.dialect, before), tenantId, after],
      ),
    )
  }

  private remove(ids: readonly string[]): Promise<number> {
    // Its history goes with each by its foreign key. What has come back to life in this moment stays.
    return this.db.write((tx) => change(tx, `DELETE FROM messages WHERE id IN ${inList(ids)} AND ${OVER}`, ids))
  }
}
