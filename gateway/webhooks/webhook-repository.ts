import type { EntityManager } from 'typeorm'
import type { Dialect } from '../../migrations/columns.js'
import type { TenantId } from '../../proto/contract.js'
import type { Database } from '../db/database.js'
import { inList, insertRows, selectRows, updateRows } from '../db/rows.js'
import { change, oneOf, query } from '../db/statements.js'
import { seal, unseal } from '../tenants/sealing.js'
import type { Health, Webhook, WebhookId, WebhookSecrets, WebhookStatus } from './webhook.js'
import { type WebhookRow, webhookTable } from './webhook-table.js'

/** What decides whether an event is owed to a webhook. */
export type Interested = Pick<Webhook, 'id' | 'tenantId' | 'events' | 'sessions'>

export interface WebhookChange {
  id: WebhookId
  health: Health
  /** Nothing that a person has paused or disabled meanwhile is enabled again by this. */
  status: WebhookStatus
  reason: string | null
}

/** ms since the epoch by the database's clock, which all gateways share. */
export const databaseNow = (dialect: Dialect) =>
  dialect === 'mysql'
    ? 'CAST(UNIX_TIMESTAMP(CURRENT_TIMESTAMP(3)) * 1000 AS SIGNED)'
    : "CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER)"

export const active = "status IN ('enabled', 'failing')"

export class WebhookRepository {
  /** The secret that secrets are sealed with exists only once the gateway has started. */
  constructor(
    private readonly db: Database,
    private readonly key: () => Buffer,
  ) {}

  async add(tx: EntityManager, webhook: Webhook): Promise<void> {
    await insertRows(tx, webhookTable, [{ ...this.toRow(webhook), holder: null, leaseUntil: null }])
  }

  async find(tenantId: TenantId, id: WebhookId): Promise<Webhook | null> {
    const [webhook] = await this.db.read((reader) =>
      this.select(reader, "WHERE id = ? AND tenant_id = ? AND status <> 'deleted'", [id, tenantId]),
    )
    return webhook ?? null
  }

  /** How many of a tenant there are. */
  async count(tx: EntityManager, tenantId: TenantId): Promise<number> {
    const sql = "SELECT COUNT(*) AS count FROM webhooks WHERE tenant_id = ? AND status <> 'deleted'"
    const [row] = await query<{ count: number | string }>(tx, sql, [tenantId])
    return Number(row?.count ?? 0)
  }

  byIds(ids: readonly WebhookId[]): Promise<Webhook[]> {
    if (ids.length === 0) return Promise.resolve([])
    return this.db.read((reader) => this.select(reader, `WHERE id IN ${inList(ids)}`, ids))
  }

  /** In the order of their making. */
  list(tenantId: TenantId, limit: number, after = ''): Promise<Webhook[]> {
    const condition = `WHERE tenant_id = ? AND status <> 'deleted' AND id > ? ORDER BY id LIMIT ${Number(limit)}`
    return this.db.read((reader) => this.select(reader, condition, [tenantId, after]))
  }

  /** Null when it is not there any more. `decide` sees the newest row, and nobody changes it meanwhile. */
  async change(
    tx: EntityManager,
    tenantId: TenantId,
    id: WebhookId,
    decide: (webhook: Webhook) => Webhook,
  ): Promise<Webhook | null> {
    if (this.db.dialect === 'mysql') await tx.query('UPDATE webhooks SET id = id WHERE id = ?', [id])
    const [now] = await this.select(tx, "WHERE id = ? AND tenant_id = ? AND status <> 'deleted'", [id, tenantId])
    if (!now) return null
    const next = decide(now)
    await updateRows(tx, webhookTable, 'id', changeable, [{ ...this.toRow(next), holder: null, leaseUntil: null }])
    return next
  }

  /** Who gets something of what these tenants' sessions do. */
  async interested(tx: EntityManager, tenantIds: readonly TenantId[]): Promise<Interested[]> {
    const { sql, values } = oneOf(tenantIds)
    const rows = await query<{ id: WebhookId; tenant_id: TenantId; events: string; sessions: string }>(
      tx,
      `SELECT id, tenant_id, events, sessions FROM webhooks WHERE tenant_id ${sql} AND ${active}`,
      values,
    )
    return rows.map(({ id, tenant_id, events, sessions }) => ({
      ...{ id, tenantId: tenant_id },
      ...{ events: JSON.parse(events) as string[], sessions: JSON.parse(sessions) as string[] },
    }))
  }

  /** How it is doing, as the gateway that delivers to it found out. */
  async tell(tx: EntityManager, { id, health, status, reason }: WebhookChange): Promise<boolean> {
    const affected = await change(
      tx,
      `UPDATE webhooks SET health = ?, status = ?, reason = ? WHERE id = ? AND ${active}`,
      [JSON.stringify(health), status, reason, id],
    )
    return affected === 1
  }

  // ---- who delivers ----

  private get now(): string {
    return databaseNow(this.db.dialect)
  }

  /** Takes those that nobody has; a lease that ran out counts as none. On SQLite there is only one gateway. */
  async acquire(ids: readonly WebhookId[], holder: string, ttlMs: number): Promise<Webhook[]> {
    if (ids.length === 0) return []
    const free = this.db.dialect === 'sqlite' ? '1 = 1' : `(holder IS NULL OR holder = ? OR lease_until < ${this.now})`
    return this.db.write(async (tx) => {
      await change(
        tx,
        `UPDATE webhooks SET holder = ?, lease_until = ${this.now} + ${Number(ttlMs)}
         WHERE id IN ${inList(ids)} AND ${free}`,
        [holder, ...ids, ...(this.db.dialect === 'sqlite' ? [] : [holder])],
      )
      return this.select(tx, `WHERE holder = ? AND id IN ${inList(ids)}`, [holder, ...ids])
    })
  }

  /** Answers those that are still held. */
  async renew(ids: readonly WebhookId[], holder: string, ttlMs: number): Promise<Webhook[]> {
    if (ids.length === 0) return []
    return this.db.write(async (tx) => {
      await change(
        tx,
        `UPDATE webhooks SET lease_until = ${this.now} + ${Number(ttlMs)} WHERE holder = ? AND id IN ${inList(ids)}`,
        [holder, ...ids],
      )
      return this.select(tx, `WHERE holder = ? AND id IN ${inList(ids)}`, [holder, ...ids])
    })
  }

  async release(ids: readonly WebhookId[], holder: string): Promise<void> {
    if (ids.length === 0) return
    await this.db.write((tx) =>
      tx.query(`UPDATE webhooks SET holder = NULL, lease_until = NULL WHERE holder = ? AND id IN ${inList(ids)}`, [
        holder,
        ...ids,
      ]),
    )
  }

  // ---- the end ----

  /** Those that are disabled and have something left to get. */
  async disabledAndOwed(): Promise<Pick<Webhook, 'id' | 'tenantId'>[]> {
    return this.db.read((reader) =>
      query<Pick<Webhook, 'id' | 'tenantId'>>(
        reader,
        `SELECT id, tenant_id AS tenantId FROM webhooks WHERE status = 'disabled' AND EXISTS
         (SELECT 1 FROM deliveries WHERE webhook_id = webhooks.id AND deliveries.status = 'pending')`,
      ),
    )
  }

  /** As it is, and stays until the transaction ends. */
  async lockedStatus(tx: EntityManager, id: WebhookId): Promise<WebhookStatus | undefined> {
    if (this.db.dialect === 'mysql') await change(tx, 'UPDATE webhooks SET id = id WHERE id = ?', [id])
    const [row] = await query<{ status: WebhookStatus }>(tx, 'SELECT status FROM webhooks WHERE id = ?', [id])
    return row?.status
  }

  async deleted(): Promise<WebhookId[]> {
    const rows: { id: WebhookId }[] = await this.db.read((reader) =>
      reader.query("SELECT id FROM webhooks WHERE status = 'deleted'"),
    )
    return rows.map(({ id }) => id)
  }

  async remove(id: WebhookId): Promise<void> {
    await this.db.write((tx) => tx.query("DELETE FROM webhooks WHERE id = ? AND status = 'deleted'", [id]))
  }

  private async select(reader: EntityManager, condition: string, values: readonly unknown[]): Promise<Webhook[]> {
    const rows = await selectRows(reader, webhookTable, condition, values)
    return rows.map(({ sealed, holder: _, leaseUntil: __, ...row }) => {
      const secrets = this.opened(sealed, row.id)
      return secrets ? { ...row, ...secrets } : { ...row, ...lost, ...(isActive(row) ? disabled : {}) }
    })
  }

  private opened(sealed: string, id: WebhookId): WebhookSecrets | undefined {
    try {
      return unseal(sealed, id, this.key()) as WebhookSecrets
    } catch {
      return undefined
    }
  }

  private toRow({ secret, previous, headers, ...row }: Webhook): Omit<WebhookRow, 'holder' | 'leaseUntil'> {
    return { ...row, sealed: seal({ secret, previous, headers } satisfies WebhookSecrets, row.id, this.key()) }
  }
}

/** What becomes of a webhook when SECRET_KEY is another one: nobody could verify what it sends. */
const lost: WebhookSecrets = { secret: '', previous: [], headers: {} }
const disabled = { status: 'disabled', reason: 'secret_lost' } as const
const isActive = ({ status }: WebhookRow | Omit<WebhookRow, 'sealed' | 'holder' | 'leaseUntil'>) =>
  status === 'enabled' || status === 'failing'

const changeable = [
  'url',
  'events',
  'sessions',
  'sealed',
  'description',
  'signature',
  'ordered',
  'concurrency',
  'status',
  'reason',
  'health',
] as const satisfies (keyof WebhookRow)[]
