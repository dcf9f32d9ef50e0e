import type { EntityManager } from 'typeorm'
import type { TenantId } from '../../proto/contract.js'
import type { Database } from '../db/database.js'
import { change, query } from '../db/statements.js'
import type { MessageQuotaRow } from './quota-table.js'

type Used = Pick<MessageQuotaRow, 'used' | 'told'>

export class QuotaRepository {
  constructor(private readonly db: Database) {}

  async find(tenantId: TenantId, day: number): Promise<Used | null> {
    const [row] = await this.db.read((reader) => this.select(reader, tenantId, day))
    return row ?? null
  }

  /**
   * Counts where nothing is to be told: less than the bound is used afterwards, which is a lower one until the tenant was
   * warned. Answers false, and counts nothing, where that is not so, or where nothing was counted on that day so far.
   */
  async countBelow(
    tx: EntityManager,
    { tenantId, day, count }: { tenantId: TenantId; day: number; count: number },
    bounds: { unwarned: number; warned: number },
  ): Promise<boolean> {
    const found = await change(
      tx,
      `UPDATE message_quotas SET used = used + ?
       WHERE tenant_id = ? AND day = ? AND used + ? < CASE told WHEN 0 THEN ? ELSE ? END`,
      [count, tenantId, day, count, bounds.unwarned, bounds.warned],
    )
    return found === 1
  }

  /** Counts whatever is used, and answers what is now. The row stays locked until the transaction ends. */
  async count(tx: EntityManager, tenantId: TenantId, day: number, count: number): Promise<Used> {
    const more =
      this.db.dialect === 'sqlite'
        ? 'ON CONFLICT (tenant_id, day) DO UPDATE SET used = used + excluded.used'
        : 'ON DUPLICATE KEY UPDATE used = used + VALUES(used)'
    await change(tx, `INSERT INTO message_quotas (tenant_id, day, used, told) VALUES (?, ?, ?, 0) ${more}`, [
      tenantId,
      day,
      count,
    ])
    const [row] = await this.select(tx, tenantId, day)
    if (!row) throw new Error('A count that was just written is not there')
    return row
  }

  /** Of a row that `count` has locked. */
  async set(tx: EntityManager, tenantId: TenantId, day: number, { used, told }: Used): Promise<void> {
    await change(tx, 'UPDATE message_quotas SET used = ?, told = ? WHERE tenant_id = ? AND day = ?', [
      used,
      told,
      tenantId,
      day,
    ])
  }

  async forgetBefore(tx: EntityManager, tenantId: TenantId, day: number): Promise<void> {
    await change(tx, 'DELETE FROM message_quotas WHERE tenant_id = ? AND day < ?', [tenantId, day])
  }

  private select(reader: EntityManager, tenantId: TenantId, day: number): Promise<Used[]> {
    return query<Used>(reader, 'SELECT used, told FROM message_quotas WHERE tenant_id = ? AND day = ?', [tenantId, day])
  }
}
