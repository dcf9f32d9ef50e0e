/** Everything that a tenant has in the database, by the one column that all of it shares. */
import type { TenantId } from '../../proto/contract.js'
import type { Database, Tx } from '../db/database.js'
import { change, oneOf, query } from '../db/statements.js'
import type { Table } from '../db/table.js'

// A list of tables of different rows; only their names and columns are looked at.
// eslint-disable-next-line @typescript-eslint/no-explicit-any
type AnyTable = Table<any>

/** What goes with a tenant, as an admin is told beforehand. */
export interface Footprint {
  sessions: number
  messages: number
  events: number
  webhooks: number
  apiKeys: number
  files: number
  bytes: number
}

const TENANT = 'tenant_id'
const AT_ONCE = 200
/** Counters by the name of a tenant: how far its events were trimmed, and the turns of `Tenants.makeRoom`. */
const countersOf = ['events_trimmed', 'sessions', 'webhooks']
/** These go with the rows that they belong to: by a foreign key, or by `removeDeliveries`. */
const withOthers = ['message_history', 'deliveries']
/** Rows of others refer to these: they go last, in this order. */
const last = ['messages', 'sessions', 'api_keys']

export class TenantBelongings {
  /** Names of tables, in the order in which their rows can go. */
  readonly tables: readonly string[]

  constructor(
    private readonly db: Database,
    tables: readonly AnyTable[],
    /** Tables that tell of tenants and are not theirs. */
    kept: readonly string[] = [],
  ) {
    const theirs = tables.filter(hasTenant).map(({ tableName }) => tableName)
    const others = theirs.filter((name) => ![...kept, ...withOthers, ...last].includes(name))
    this.tables = [...others, ...last]
  }

  async footprint(tenantId: TenantId): Promise<Footprint> {
    const count = (reader: Tx, from: string) =>
      query<{ count: number | string }>(reader, `SELECT COUNT(*) AS count ${from} AND ${TENANT} = ?`, [tenantId]).then(
        ([row]) => Number(row?.count ?? 0),
      )
    return this.db.read(async (reader) => {
      const [media] = await query<{ files: number | string; bytes: number | string | null }>(
        reader,
        `SELECT COUNT(*) AS files, SUM(size) AS bytes FROM media WHERE status = 'stored' AND ${TENANT} = ?`,
        [tenantId],
      )
      return {
        sessions: await count(reader, 'FROM sessions WHERE live_name IS NOT NULL'),
        messages: await count(reader, 'FROM messages WHERE 1 = 1'),
        events: await count(reader, 'FROM events WHERE 1 = 1'),
        webhooks: await count(reader, "FROM webhooks WHERE status <> 'deleted'"),
        apiKeys: await count(reader, 'FROM api_keys WHERE revoked_at IS NULL'),
        files: Number(media?.files ?? 0),
        bytes: Number(media?.bytes ?? 0),
      }
    })
  }

  /** Some rows of a table; answers how many, and fewer than `AT_ONCE` when there are no more. */
  remove(table: string, tenantId: TenantId): Promise<number> {
    return this.removeWhere(table, `${TENANT} = ?`, tenantId)
  }

  async removeAll(table: string, tenantId: TenantId, signal: AbortSignal): Promise<void> {
    while (!signal.aborted && (await this.remove(table, tenantId)) === AT_ONCE);
  }

  /** Deliveries are found by their webhook only. */
  async removeDeliveries(tenantId: TenantId, signal: AbortSignal): Promise<void> {
    const webhooks = await this.db.read((reader) =>
      query<{ id: string }>(reader, `SELECT id FROM webhooks WHERE ${TENANT} = ?`, [tenantId]),
    )
    for (const { id } of webhooks) {
      while (!signal.aborted && (await this.removeWhere('deliveries', 'webhook_id = ?', id)) === AT_ONCE);
    }
  }

  /** Ids of some of its files. */
  async someFiles(tenantId: TenantId): Promise<string[]> {
    const rows = await this.db.read((reader) =>
      query<{ id: string }>(reader, `SELECT id FROM media WHERE ${TENANT} = ? ORDER BY id LIMIT ${AT_ONCE}`, [
        tenantId,
      ]),
    )
    return rows.map(({ id }) => id)
  }

  async removeByIds(table: string, ids: readonly string[]): Promise<void> {
    const { sql, values } = oneOf(ids)
    await this.db.write((tx) => change(tx, `DELETE FROM ${table} WHERE id ${sql}`, values))
  }

  /** Numbers that are kept by the name of a tenant. */
  async removeCounters(tx: Tx, tenantId: TenantId): Promise<void> {
    const { sql, values } = oneOf(countersOf.map((name) => `${name} ${tenantId}`))
    await change(tx, `DELETE FROM counters WHERE name ${sql}`, values)
  }

  private removeWhere(table: string, condition: string, value: string): Promise<number> {
    const sql =
      this.db.dialect === 'mysql'
        ? `DELETE FROM ${table} WHERE ${condition} LIMIT ${AT_ONCE}`
        : `DELETE FROM ${table} WHERE rowid IN (SELECT rowid FROM ${table} WHERE ${condition} LIMIT ${AT_ONCE})`
    return this.db.write((tx) => change(tx, sql, [value]))
  }
}

function hasTenant(table: AnyTable): boolean {
  return table.columnNames().includes(TENANT)
}
