import type { EntityManager } from 'typeorm'
import type { Database } from '../db/database.js'
import { inList, insertRows, selectRows } from '../db/rows.js'
import { change, query } from '../db/statements.js'
import type { Replay, ReplayId } from './replay.js'
import { replayTable } from './replay-table.js'
import type { WebhookId } from './webhook.js'

export class ReplayRepository {
  constructor(private readonly db: Database) {}

  private read(condition: string, values: readonly unknown[]): Promise<Replay[]> {
    return this.db.read((reader) => selectRows(reader, replayTable, condition, values))
  }

  /** False when one is running already for its webhook; two that are asked for at once take turns at the webhook's row. */
  async add(replay: Replay): Promise<boolean> {
    return this.db.write(async (tx) => {
      await change(tx, 'UPDATE webhooks SET id = id WHERE id = ?', [replay.webhookId])
      const running = "SELECT id FROM webhook_replays WHERE webhook_id = ? AND status = 'running' LIMIT 1"
      if ((await query(tx, running, [replay.webhookId])).length > 0) return false
      await insertRows(tx, replayTable, [replay])
      return true
    })
  }

  async find(id: ReplayId): Promise<Replay | undefined> {
    const [replay] = await this.read('WHERE id = ?', [id])
    return replay
  }

  /** The oldest first. */
  running(limit: number): Promise<Replay[]> {
    return this.read(`WHERE status = 'running' ORDER BY id LIMIT ${Number(limit)}`, [])
  }

  /** Newest first. */
  ofWebhook(webhookId: WebhookId, limit: number): Promise<Replay[]> {
    return this.read(`WHERE webhook_id = ? ORDER BY id DESC LIMIT ${Number(limit)}`, [webhookId])
  }

  /** Locks it, too. False when another gateway has got on with it, or it is over. */
  async advance(tx: EntityManager, { id, place }: Replay, to: number): Promise<boolean> {
    const sql = "UPDATE webhook_replays SET place = ? WHERE id = ? AND place = ? AND status = 'running'"
    return (await change(tx, sql, [to, id, place])) === 1
  }

  async note(tx: EntityManager, { id, deliveries, status, endedAt }: Replay): Promise<void> {
    const sql = 'UPDATE webhook_replays SET deliveries = ?, status = ?, ended_at = ? WHERE id = ?'
    await change(tx, sql, [deliveries, status, endedAt, id])
  }

  async cancel(id: ReplayId, now: number): Promise<void> {
    const sql = "UPDATE webhook_replays SET status = 'cancelled', ended_at = ? WHERE id = ? AND status = 'running'"
    await this.db.write((tx) => change(tx, sql, [now, id]))
  }

  /** Forgets what ended before a time; answers how many, at most `limit`. */
  async trim(before: number, limit: number): Promise<number> {
    const over = `status IN ('done', 'cancelled') AND ended_at < ? ORDER BY ended_at LIMIT ${Number(limit)}`
    const rows = await this.db.read((reader) =>
      query<{ id: ReplayId }>(reader, `SELECT id FROM webhook_replays WHERE ${over}`, [before]),
    )
    const ids = rows.map(({ id }) => id)
    if (ids.length > 0) {
      await this.db.write((tx) => change(tx, `DELETE FROM webhook_replays WHERE id IN ${inList(ids)}`, ids))
    }
    return ids.length
  }
}
