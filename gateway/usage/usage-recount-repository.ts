/** What the numbers of a day would be if they were counted now, from what is still kept. */
import { mediaTypes, type SessionId, type TenantId } from '../../proto/contract.js'
import { firstIdAt } from '../../runtime/ids.js'
import type { Database } from '../db/database.js'
import { timeValue } from '../db/rows.js'
import { change, query } from '../db/statements.js'
import { type Day, DAY_MS, type Metric, startOf, type UsageCount } from './usage.js'

/** Between something that happens and the id that it is given lies less than this. */
const HOUR_MS = 3_600_000
const AT_ONCE = 500

interface OwnedSession {
  id: SessionId
  tenantId: TenantId
}

export class UsageRecountRepository {
  constructor(private readonly db: Database) {}

  // ---- days ----

  /**
   * A place before all messages of a day: that of one whose id was made long enough before it. Ids from Telegram say
   * nothing of time.
   */
  async positionBefore(day: Day): Promise<number> {
    const some = "SELECT position FROM messages WHERE id < ? AND origin <> 'telegram' ORDER BY id DESC LIMIT 100"
    const rows = await this.db.read((reader) =>
      query<{ position: number | string }>(reader, some, [firstIdAt('msg', startOf(day) - HOUR_MS)]),
    )
    return Math.max(0, ...rows.map(({ position }) => Number(position)))
  }

  async recountedSince(day: Day): Promise<Set<Day>> {
    const sql = 'SELECT day FROM usage_days WHERE day >= ?'
    const rows = await this.db.read((reader) => query<{ day: Day }>(reader, sql, [day]))
    return new Set(rows.map((row) => row.day))
  }

  async markRecounted(day: Day, at: number): Promise<void> {
    await this.db.write(async (tx) => {
      await change(tx, 'DELETE FROM usage_days WHERE day = ?', [day])
      await change(tx, 'INSERT INTO usage_days (day, recounted_at) VALUES (?, ?)', [day, at])
    })
  }

  async forgetDaysBefore(day: Day): Promise<void> {
    await this.db.write((tx) => change(tx, 'DELETE FROM usage_days WHERE day < ?', [day]))
  }

  // ---- messages ----

  /** In the order of their ids; deleted ones too. */
  sessionsAfter(id: string): Promise<OwnedSession[]> {
    const sql = `SELECT id, tenant_id AS tenantId FROM sessions WHERE id > ? ORDER BY id LIMIT ${AT_ONCE}`
    return this.db.read((reader) => query<OwnedSession>(reader, sql, [id]))
  }

  /**
   * What is to be added to the numbers of a session's messages so that they are right. One statement sees messages and
   * numbers as they were at one moment, so that the difference is true whatever is stored meanwhile.
   */
  async messageDrift({ id, tenantId }: OwnedSession, day: Day, after: number): Promise<UsageCount[]> {
    const [from, to] = this.bounds(day)
    const messages = [id, after, from, to]
    const rows = await this.db.read((reader) =>
      query<{ metric: Metric; amount: number | string }>(reader, this.driftSql, [
        ...messages,
        ...messages,
        ...[tenantId, day, id],
      ]),
    )
    return rows.map(({ metric, amount }) => ({ tenantId, day, sessionId: id, metric, amount: Number(amount) }))
  }

  private get driftSql(): string {
    const joined = (...parts: string[]) =>
      this.db.dialect === 'sqlite' ? parts.join(' || ') : `CONCAT(${parts.join(', ')})`
    const isOurs = "direction = 'out' AND origin <> 'phone'"
    const outcome = "CASE WHEN status IN ('failed', 'unknown') THEN status ELSE 'sent' END"
    const metric = `CASE WHEN ${isOurs} THEN ${joined("'out.'", 'type', "'.'", outcome)}
      WHEN direction = 'in' THEN ${joined("'in.'", 'type')} ELSE ${joined("'phone.'", 'type')} END`
    const bytes = `CASE WHEN ${isOurs} THEN 'bytes.out' ELSE 'bytes.in' END`
    const inFile = (field: string) => `JSON_EXTRACT(content, ${joined("'$.'", 'type', `'.${field}'`)})`
    const ofDay = 'FROM messages WHERE session_id = ? AND position > ? AND created_at >= ? AND created_at < ?'
    const types = mediaTypes.map((type) => `'${type}'`).join(', ')
    return `SELECT metric, SUM(amount) AS amount FROM (
      SELECT ${metric} AS metric, 1 AS amount ${ofDay} AND NOT (${isOurs} AND status = 'pending')
      UNION ALL
      SELECT ${bytes} AS metric, ${inFile('size')} AS amount ${ofDay} AND type IN (${types})
        AND ${inFile('id')} IS NOT NULL AND NOT (${isOurs} AND status IN ('pending', 'failed', 'unknown'))
      UNION ALL
      SELECT metric, -amount AS amount FROM usage_counts WHERE tenant_id = ? AND day = ? AND session_id = ?
        AND (metric LIKE 'in.%' OR metric LIKE 'out.%' OR metric LIKE 'phone.%' OR metric LIKE 'bytes.%')
    ) AS counted GROUP BY metric HAVING SUM(amount) <> 0`
  }

  // ---- deliveries ----

  /** Outcomes of a day that are still kept. */
  async deliveries(day: Day): Promise<UsageCount[]> {
    const counts: UsageCount[] = []
    const start = startOf(day)
    // One that began before midnight has its row, and its id, soon after.
    for (let at = start; at < start + DAY_MS + HOUR_MS; at += HOUR_MS) {
      counts.push(...(await this.attemptsBetween(day, at, at + HOUR_MS)))
    }
    return [...counts, ...(await this.exhausted(day))]
  }

  private attemptsBetween(day: Day, from: number, to: number): Promise<UsageCount[]> {
    const succeeded = 'CASE WHEN a.status >= 200 AND a.status < 300 THEN 1 ELSE 0 END'
    return this.counted(
      day,
      `SELECT d.tenant_id AS tenantId, d.session_id AS sessionId,
         CASE ${succeeded} WHEN 1 THEN 'deliveries.succeeded' ELSE 'attempts.failed' END AS metric, COUNT(*) AS amount
       FROM delivery_attempts a JOIN deliveries d ON d.id = a.delivery_id
       WHERE a.id >= ? AND a.id < ? AND a.at >= ? AND a.at < ? GROUP BY 1, 2, 3`,
      [firstIdAt('att', from), firstIdAt('att', to), ...this.bounds(day)],
    )
  }

  private exhausted(day: Day): Promise<UsageCount[]> {
    return this.counted(
      day,
      `SELECT tenant_id AS tenantId, session_id AS sessionId, 'deliveries.exhausted' AS metric, COUNT(*) AS amount
       FROM deliveries WHERE status = 'exhausted' AND ended_at >= ? AND ended_at < ? GROUP BY 1, 2, 3`,
      [startOf(day), startOf(day) + DAY_MS],
    )
  }

  /** What is counted of a tenant's deliveries. */
  storedDeliveries(tenantId: TenantId, day: Day): Promise<UsageCount[]> {
    return this.counted(
      day,
      `SELECT tenant_id AS tenantId, session_id AS sessionId, metric, amount FROM usage_counts
       WHERE tenant_id = ? AND day = ?
         AND metric IN ('deliveries.succeeded', 'deliveries.exhausted', 'attempts.failed')`,
      [tenantId, day],
    )
  }

  private async counted(day: Day, sql: string, values: readonly unknown[]): Promise<UsageCount[]> {
    type Found = Omit<UsageCount, 'day' | 'amount' | 'sessionId'> & {
      sessionId: string | null
      amount: number | string
    }
    const rows = await this.db.read((reader) => query<Found>(reader, sql, values))
    return rows.map(({ tenantId, sessionId, metric, amount }) => {
      return { tenantId, day, sessionId: (sessionId || null) as SessionId | null, metric, amount: Number(amount) }
    })
  }

  private bounds(day: Day): [unknown, unknown] {
    return [timeValue(this.db.dialect, startOf(day)), timeValue(this.db.dialect, startOf(day) + DAY_MS)]
  }
}
