import type { TenantId } from '../../proto/contract.js'
import type { Database, Tx } from '../db/database.js'
import { change, inList, timeValue } from '../db/rows.js'
import { raiseCounter, readCounter } from './named-counters.js'
import type { Trimmed, Trimming } from './retention.js'

const AT_ONCE = 200
/** So much longer an event stays for a webhook that is still to receive it. */
const OWED_MS = 7 * 86_400_000

interface OldEvent {
  id: string
  place: number | string
  tenant: TenantId
  old: number | boolean
}

/** The oldest events, in their one order: what is left begins at a place, and per tenant it is known at which. */
export class OldEvents implements Trimming {
  constructor(private readonly db: Database) {}

  async *trim(before: number): AsyncGenerator<Trimmed> {
    for (let full = true; full;) {
      const oldest = await this.oldest(before)
      const end = oldest.findIndex(({ old }) => Number(old) === 0)
      const due = end < 0 ? oldest : oldest.slice(0, end)
      full = due.length === AT_ONCE
      if (due.length === 0) return
      yield { count: await this.db.write((tx) => this.remove(tx, due)) }
    }
  }

  /** Events up to this place are gone for a tenant: whoever stood before it has missed some. */
  async trimmedTo(tenantId: TenantId): Promise<number> {
    return this.db.read(async (reader) => (await readCounter(reader, nameOf(tenantId))) ?? 0)
  }

  private oldest(before: number): Promise<OldEvent[]> {
    return this.db.read(async (reader) => {
      const needed = (await this.firstOwed(reader)) ?? Number.MAX_SAFE_INTEGER
      return reader.query(
        `SELECT id, place, tenant_id AS tenant, (created_at < CASE WHEN place < ? THEN ? ELSE ? END) AS old
         FROM events ORDER BY place LIMIT ${AT_ONCE}`,
        [needed, timeValue(this.db.dialect, before), timeValue(this.db.dialect, before - OWED_MS)],
      )
    })
  }

  /** Of the events that some webhook is still to receive, and is receiving: one that is paused may stay so. */
  private async firstOwed(reader: Tx): Promise<number | undefined> {
    const rows: { first: number | string | null }[] = await reader.query(
      `SELECT MIN((SELECT MIN(d.place) FROM deliveries d WHERE d.webhook_id = w.id AND d.status = 'pending')) AS first
       FROM webhooks w WHERE w.status IN ('enabled', 'failing')`,
    )
    const first = rows[0]?.first ?? null
    return first === null ? undefined : Number(first)
  }

  private async remove(tx: Tx, events: readonly OldEvent[]): Promise<number> {
    const ids = events.map(({ id }) => id)
    const removed = await change(tx, `DELETE FROM events WHERE id IN ${inList(ids)}`, ids)
    const last = new Map(events.map(({ tenant, place }) => [tenant, Number(place)]))
    for (const [tenant, place] of last) await raiseCounter(tx, nameOf(tenant), place)
    return removed
  }
}

const nameOf = (tenantId: TenantId) => `events_trimmed ${tenantId}`
