import type { EntityManager } from 'typeorm'
import type { TenantId } from '../../proto/contract.js'
import type { Database } from '../db/database.js'
import { insertRows, selectRows } from '../db/rows.js'
import { change } from '../db/statements.js'
import { isTenantId, isTenantName, type Tenant, UNLIMITED } from './tenant.js'
import { type TenantRow, tenantTable } from './tenant-table.js'

export class TenantRepository {
  constructor(private readonly db: Database) {}

  async find(id: TenantId): Promise<Tenant | null> {
    return (await this.select('WHERE id = ?', [id]))[0] ?? null
  }

  /** By id or name. */
  async findByRef(ref: string): Promise<Tenant | null> {
    // MySQL answers with an error, not with nothing, when a column of ASCII is asked for something else.
    if (!isTenantId(ref) && !isTenantName(ref)) return null
    return (await this.select(isTenantId(ref) ? 'WHERE id = ?' : 'WHERE name = ?', [ref]))[0] ?? null
  }

  /** In the order of their making. */
  list(limit: number, after = ''): Promise<Tenant[]> {
    return this.select(`WHERE id > ? ORDER BY id LIMIT ${Number(limit)}`, [after])
  }

  async add(tx: EntityManager, tenant: Tenant): Promise<void> {
    await insertRows(tx, tenantTable, [{ ...tenant, deletingSince: null }])
  }

  /** The newest row; nobody changes it, or counts what the tenant has under this lock, until the transaction ends. */
  async lock(tx: EntityManager, id: TenantId): Promise<Tenant | null> {
    if (this.db.dialect === 'mysql') await change(tx, 'UPDATE tenants SET id = id WHERE id = ?', [id])
    return this.findIn(tx, id)
  }

  async update(tx: EntityManager, id: TenantId, fields: Partial<Omit<TenantRow, 'id'>>): Promise<void> {
    // A text of JSON is what TypeORM's update type cannot see behind a field.
    await tx.update(tenantTable, { id }, fields as object)
  }

  findIn(tx: EntityManager, id: TenantId): Promise<Tenant | null> {
    return selectRows(tx, tenantTable, 'WHERE id = ?', [id]).then(([row]) => (row ? toTenant(row) : null))
  }

  /** Those that are being deleted, and since when. */
  async deleting(): Promise<{ id: TenantId; since: number }[]> {
    const rows = await this.db.read((reader) =>
      selectRows(reader, tenantTable, "WHERE status = 'deleting' ORDER BY id", []),
    )
    return rows.map(({ id, deletingSince }) => ({ id, since: deletingSince?.getTime() ?? 0 }))
  }

  async remove(tx: EntityManager, id: TenantId): Promise<void> {
    await change(tx, "DELETE FROM tenants WHERE id = ? AND status = 'deleting'", [id])
  }

  private async select(condition: string, values: readonly unknown[]): Promise<Tenant[]> {
    const rows = await this.db.read((reader) => selectRows(reader, tenantTable, condition, values))
    return rows.map(toTenant)
  }
}

function toTenant({ deletingSince: _, limits, ...same }: TenantRow): Tenant {
  return { ...same, limits: { ...UNLIMITED, ...limits } }
}
