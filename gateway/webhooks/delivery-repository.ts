import type { EntityManager } from 'typeorm'
import type { SessionId, TenantId } from '../../proto/contract.js'
import type { Database } from '../db/database.js'
import { inList, insertRows, selectRows } from '../db/rows.js'
import { change, oneOf, query } from '../db/statements.js'
import { seal, unseal } from '../tenants/sealing.js'
import type { Attempt, AttemptId, Delivery, DeliveryId, DeliveryStatus } from './delivery.js'
import { attemptTable, deliveryTable } from './delivery-table.js'
import type { WebhookId } from './webhook.js'
import { active, databaseNow } from './webhook-repository.js'

/** What becomes of a delivery whose attempt failed. */
export interface Failed {
  id: DeliveryId
  /** Null when there are no more attempts. */
  dueAt: number | null
}

export class DeliveryRepository {
  /** Receivers may answer with what they were sent: answers are encrypted, by a key that is there after the start. */
  constructor(
    private readonly db: Database,
    private readonly key: () => Buffer,
  ) {}

  private read(condition: string, values: readonly unknown[]): Promise<Delivery[]> {
    return this.db.read((reader) => selectRows(reader, deliveryTable, condition, values))
  }

  async add(tx: EntityManager, deliveries: readonly Delivery[]): Promise<void> {
    if (deliveries.length > 0) await insertRows(tx, deliveryTable, deliveries)
  }

  async addAttempts(tx: EntityManager, attempts: readonly Attempt[]): Promise<void> {
    if (attempts.length === 0) return
    const sealed = attempts.map(({ answer, ...attempt }) => ({
      ...attempt,
      answer: answer === null ? null : seal(answer, attempt.id, this.key()),
    }))
    await insertRows(tx, attemptTable, sealed)
  }

  async find(tenantId: TenantId, id: DeliveryId): Promise<Delivery | null> {
    const [delivery] = await this.read('WHERE id = ? AND tenant_id = ?', [id, tenantId])
    return delivery ?? null
  }

  /** Newest event first. `before` is the place of the last one seen. */
  list(
    webhookId: WebhookId,
    { status, before, limit }: { status?: DeliveryStatus | undefined; before?: number | undefined; limit: number },
  ): Promise<Delivery[]> {
    const conditions: [sql: string, value: unknown][] = [['webhook_id = ?', webhookId]]
    if (status) conditions.push(['status = ?', status])
    if (before !== undefined) conditions.push(['place < ?', before])
    return this.read(
      `WHERE ${conditions.map(([sql]) => sql).join(' AND ')} ORDER BY place DESC LIMIT ${Number(limit)}`,
      conditions.map(([, value]) => value),
    )
  }

  /** The newest of each, in the order they were made. */
  async attemptsOf(ids: readonly DeliveryId[], newest: number): Promise<Attempt[]> {
    if (ids.length === 0) return []
    const rows = await this.db.read(async (reader) => {
      const found = await query<{ id: AttemptId }>(
        reader,
        `SELECT id FROM (
           SELECT id, ROW_NUMBER() OVER (PARTITION BY delivery_id ORDER BY at DESC, id DESC) AS nth
           FROM delivery_attempts WHERE delivery_id IN ${inList(ids)}
         ) AS numbered WHERE nth <= ${Number(newest)}`,
        ids,
      )
      if (found.length === 0) return []
      const { sql, values } = oneOf(found.map(({ id }) => id))
      return selectRows(reader, attemptTable, `WHERE id ${sql} ORDER BY at, id`, values)
    })
    return rows.map(({ answer, ...attempt }) => ({
      ...attempt,
      answer: answer === null ? null : opened(answer, attempt.id, this.key()),
    }))
  }

  /** Those that were given up, of events after one place and up to another, oldest first. */
  exhaustedAfter(webhookId: WebhookId, after: number, upTo: number, limit: number): Promise<Delivery[]> {
    const condition =
      "WHERE webhook_id = ? AND status = 'exhausted' AND place > ? AND place <= ? ORDER BY place LIMIT ?"
    return this.read(condition, [webhookId, after, upTo, limit])
  }

  // ---- what is due ----

  /** Webhooks for which there is something to do now: one look at the first entry of an index each, whatever waits there. */
  async webhooksWithDue(now: number, holder: string): Promise<WebhookId[]> {
    const mine =
      this.db.dialect === 'sqlite' ? '' : `AND (holder IS NULL OR holder = ? OR lease_until < ${databaseNow('mysql')})`
    const rows = await this.db.read((reader) =>
      query<{ id: WebhookId }>(
        reader,
        `SELECT id FROM webhooks WHERE ${active} ${mine}
         AND (SELECT due_at FROM deliveries WHERE webhook_id = webhooks.id AND status = 'pending'
              ORDER BY due_at LIMIT 1) <= ?`,
        [...(this.db.dialect === 'sqlite' ? [] : [holder]), now],
      ),
    )
    return rows.map(({ id }) => id)
  }

  /** Oldest events first; what was tried before does not have to wait for all that is new. */
  async due(webhookId: WebhookId, now: number, limit: number): Promise<Delivery[]> {
    const fresh = await this.read("WHERE webhook_id = ? AND status = 'pending' AND due_at = 0 ORDER BY place LIMIT ?", [
      webhookId,
      limit,
    ])
    const again = await this.read(
      "WHERE webhook_id = ? AND status = 'pending' AND due_at > 0 AND due_at <= ? ORDER BY due_at, place LIMIT ?",
      [webhookId, now, limit],
    )
    return [...fresh, ...again].sort((a, b) => a.place - b.place)
  }

  /** Oldest events first, due or not, but for those of some sessions. */
  pending(webhookId: WebhookId, limit: number, except: readonly SessionId[]): Promise<Delivery[]> {
    const others = except.length > 0 ? `AND (session_id IS NULL OR session_id NOT IN ${inList(except)})` : ''
    const condition = `WHERE webhook_id = ? AND status = 'pending' ${others} ORDER BY place LIMIT ${Number(limit)}`
    return this.read(condition, [webhookId, ...except])
  }

  // ---- what became of them ----

  /** A success counts, whatever was decided meanwhile. */
  async succeed(tx: EntityManager, ids: readonly DeliveryId[], now: number): Promise<void> {
    if (ids.length === 0) return
    const { sql, values } = oneOf(ids)
    await change(
      tx,
      `UPDATE deliveries SET status = 'succeeded', attempts = attempts + 1, due_at = NULL, ended_at = ? WHERE id ${sql}`,
      [now, ...values],
    )
  }

  async fail(tx: EntityManager, failed: readonly Failed[], now: number): Promise<void> {
    const ended = failed.filter(({ dueAt }) => dueAt === null).map(({ id }) => id)
    const again = failed.filter(({ dueAt }) => dueAt !== null)
    if (ended.length > 0) {
      await change(
        tx,
        `UPDATE deliveries SET status = 'exhausted', attempts = attempts + 1, due_at = NULL, ended_at = ?
         WHERE status = 'pending' AND id IN ${inList(ended)}`,
        [now, ...ended],
      )
    }
    if (again.length > 0) {
      const cases = again.map(() => 'WHEN ? THEN ?').join(' ')
      await change(
        tx,
        `UPDATE deliveries SET attempts = attempts + 1, due_at = CASE id ${cases} END
         WHERE status = 'pending' AND id IN ${inList(again)}`,
        [...again.flatMap(({ id, dueAt }) => [id, dueAt]), ...again.map(({ id }) => id)],
      )
    }
  }

  /** Nothing is left to be sent: the event is not kept any more. */
  async cancel(ids: readonly DeliveryId[], now: number): Promise<void> {
    if (ids.length === 0) return
    await this.db.write((tx) =>
      tx.query(
        `UPDATE deliveries SET status = 'cancelled', due_at = NULL, ended_at = ?
         WHERE status = 'pending' AND id IN ${inList(ids)}`,
        [now, ...ids],
      ),
    )
  }

  /** Everything that waits for a later attempt, now. */
  async makeDue(tx: EntityManager, webhookId: WebhookId): Promise<void> {
    await tx.query("UPDATE deliveries SET due_at = 0 WHERE webhook_id = ? AND status = 'pending' AND due_at > 0", [
      webhookId,
    ])
  }

  /** Gives up some of what a webhook still has to get, oldest first: dead letters. Answers the session of each. */
  async exhaust(
    tx: EntityManager,
    webhookId: WebhookId,
    now: number,
    limit: number,
  ): Promise<Pick<Delivery, 'sessionId'>[]> {
    const owed = await query<{ id: DeliveryId; sessionId: SessionId | null }>(
      tx,
      `SELECT id, session_id AS sessionId FROM deliveries
       WHERE webhook_id = ? AND status = 'pending' ORDER BY place LIMIT ${Number(limit)}`,
      [webhookId],
    )
    if (owed.length === 0) return []
    const { sql, values } = oneOf(owed.map(({ id }) => id))
    const ended = "UPDATE deliveries SET status = 'exhausted', due_at = NULL, ended_at = ?"
    await change(tx, `${ended} WHERE status = 'pending' AND id ${sql}`, [now, ...values])
    return owed
  }

  /** One more attempt, at once. Answers how many there were. */
  revive(tx: EntityManager, ids: readonly DeliveryId[]): Promise<number> {
    if (ids.length === 0) return Promise.resolve(0)
    return change(
      tx,
      `UPDATE deliveries SET status = 'pending', due_at = 0, ended_at = NULL WHERE id IN ${inList(ids)}`,
      ids,
    )
  }

  /** Those of these events that a webhook has deliveries for, whatever became of them. */
  async ofPlaces(tx: EntityManager, webhookId: WebhookId, places: readonly number[]): Promise<Delivery[]> {
    if (places.length === 0) return []
    const condition = `WHERE webhook_id = ? AND place IN ${inList(places)}`
    return selectRows(tx, deliveryTable, condition, [webhookId, ...places])
  }

  // ---- the end ----

  /** Forgets what ended before a time; answers how many, at most `limit`. */
  async trim(statuses: readonly DeliveryStatus[], before: number, limit: number): Promise<number> {
    const rows: { id: DeliveryId }[] = await this.db.read((reader) =>
      reader.query(
        `SELECT id FROM deliveries WHERE ended_at < ? AND status IN ${inList(statuses)}
         ORDER BY ended_at LIMIT ${Number(limit)}`,
        [before, ...statuses],
      ),
    )
    return this.forget(rows.map(({ id }) => id))
  }

  /** Forgets deliveries of a webhook that is deleted; answers how many, at most `limit`. */
  async trimOf(webhookId: WebhookId, limit: number): Promise<number> {
    const rows: { id: DeliveryId }[] = await this.db.read((reader) =>
      reader.query(`SELECT id FROM deliveries WHERE webhook_id = ? LIMIT ${Number(limit)}`, [webhookId]),
    )
    return this.forget(rows.map(({ id }) => id))
  }

  private async forget(ids: readonly DeliveryId[]): Promise<number> {
    if (ids.length === 0) return 0
    await this.db.write(async (tx) => {
      // Attempts go with them, by their foreign key.
      await tx.query(`DELETE FROM deliveries WHERE id IN ${inList(ids)}`, [...ids])
    })
    return ids.length
  }

  // ---- numbers ----

  /** How many are pending, and when the oldest of them was made, over all tenants. */
  async open(): Promise<{ pending: number; oldestAt: number | undefined }> {
    const pendingOf = "FROM deliveries WHERE webhook_id = webhooks.id AND status = 'pending'"
    const rows = await this.db.read((reader) =>
      query<{ id: DeliveryId | null; pending: number | string }>(
        reader,
        `SELECT (SELECT id ${pendingOf} ORDER BY place LIMIT 1) AS id, (SELECT COUNT(*) ${pendingOf}) AS pending
         FROM webhooks WHERE ${active}`,
      ),
    )
    const ids = rows.flatMap(({ id }) => id ?? [])
    const heads = ids.length > 0 ? await this.read(`WHERE id IN ${inList(ids)}`, ids) : []
    const times = heads.map(({ createdAt }) => createdAt.getTime())
    const pending = rows.reduce((sum, row) => sum + Number(row.pending), 0)
    return { pending, oldestAt: times.length > 0 ? Math.min(...times) : undefined }
  }
}

/** Null when it was sealed under another SECRET_KEY. */
function opened(answer: string, id: string, key: Buffer): string | null {
  try {
    return unseal(answer, id, key) as string
  } catch {
    return null
  }
}
