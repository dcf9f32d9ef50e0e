import type { EntityManager } from 'typeorm'
import type { TenantId } from '../../proto/contract.js'
import type { Database } from '../db/database.js'
import { change, oneOf, query } from '../db/statements.js'
import type { MediaTotalsRow } from './media-totals-table.js'

export type MediaTotals = Pick<MediaTotalsRow, 'files' | 'bytes' | 'told'>

const nothing: MediaTotals = { files: 0, bytes: 0, told: 0 }

/** Whoever adds or removes stored files changes their tenant's row first, so that sums and files never differ. */
export class MediaTotalsRepository {
  constructor(private readonly db: Database) {}

  async find(tenantId: TenantId): Promise<MediaTotals> {
    return this.db.read((reader) => this.select(reader, tenantId))
  }

  /** Of all tenants together. */
  async all(): Promise<Omit<MediaTotals, 'told'>> {
    const [row] = await this.db.read((reader) =>
      query<{ files: number | string | null; bytes: number | string | null }>(
        reader,
        'SELECT SUM(files) AS files, SUM(bytes) AS bytes FROM media_totals',
      ),
    )
    return { files: Number(row?.files ?? 0), bytes: Number(row?.bytes ?? 0) }
  }

  /** Adds a file unless it would be more than the limit; answers whether it fits, and what is kept then. */
  async take(
    tx: EntityManager,
    tenantId: TenantId,
    size: number,
    limit: number,
  ): Promise<{ fits: boolean; totals: MediaTotals }> {
    const take = () =>
      change(
        tx,
        'UPDATE media_totals SET files = files + 1, bytes = bytes + ? WHERE tenant_id = ? AND bytes + ? <= ?',
        [size, tenantId, size, limit],
      )
    let fits = (await take()) === 1
    if (!fits) {
      await this.makeRow(tx, tenantId)
      fits = (await take()) === 1
    }
    return { fits, totals: await this.select(tx, tenantId) }
  }

  /** Locks the rows of these tenants. */
  async lock(tx: EntityManager, tenants: readonly TenantId[]): Promise<void> {
    if (tenants.length === 0) return
    const { sql, values } = oneOf([...tenants].sort())
    await change(tx, `UPDATE media_totals SET bytes = bytes WHERE tenant_id ${sql}`, values)
  }

  async giveBack(tx: EntityManager, tenantId: TenantId, { files, bytes }: Omit<MediaTotals, 'told'>): Promise<void> {
    const sql = 'UPDATE media_totals SET files = files - ?, bytes = bytes - ? WHERE tenant_id = ?'
    await change(tx, sql, [files, bytes, tenantId])
  }

  /** Answers false when somebody else has just done so. */
  async setTold(tx: EntityManager, tenantId: TenantId, from: number, to: number): Promise<boolean> {
    const sql = 'UPDATE media_totals SET told = ? WHERE tenant_id = ? AND told = ?'
    return (await change(tx, sql, [to, tenantId, from])) === 1
  }

  private async makeRow(tx: EntityManager, tenantId: TenantId): Promise<void> {
    const unless =
      this.db.dialect === 'sqlite' ? 'ON CONFLICT (tenant_id) DO NOTHING' : 'ON DUPLICATE KEY UPDATE told = told'
    await change(tx, `INSERT INTO media_totals (tenant_id, files, bytes, told) VALUES (?, 0, 0, 0) ${unless}`, [
      tenantId,
    ])
  }

  private async select(reader: EntityManager, tenantId: TenantId): Promise<MediaTotals> {
    const [row] = await query<Record<keyof MediaTotals, number | string>>(
      reader,
      'SELECT files, bytes, told FROM media_totals WHERE tenant_id = ?',
      [tenantId],
    )
    return row ? { files: Number(row.files), bytes: Number(row.bytes), told: Number(row.told) } : nothing
  }
}
