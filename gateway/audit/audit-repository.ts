import type { TenantId } from '../../proto/contract.js'
import type { Database } from '../db/database.js'
import { isDuplicate } from '../db/database-errors.js'
import { insertRows, selectRows, timeValue } from '../db/rows.js'
import { change } from '../db/statements.js'
import type { AuditId, AuditLine } from './audit-line.js'
import { auditTable } from './audit-table.js'

export interface AuditFilter {
  tenantId?: TenantId | undefined
  actor?: string | undefined
  action?: string | undefined
  target?: string | undefined
  /** ms since the epoch, inclusive. */
  since?: number | undefined
  /** Exclusive. */
  until?: number | undefined
}

export class AuditRepository {
  constructor(private readonly db: Database) {}

  add(line: AuditLine): Promise<void> {
    return this.db.write((tx) => insertRows(tx, auditTable, [line]))
  }

  /** False when it is on record already. */
  async addOnce(line: AuditLine): Promise<boolean> {
    try {
      await this.add(line)
      return true
    } catch (error) {
      if (isDuplicate(error)) return false
      throw error
    }
  }

  async end(id: AuditId, { outcome, target }: Pick<AuditLine, 'outcome' | 'target'>): Promise<void> {
    await this.db.write((tx) =>
      change(tx, 'UPDATE audit SET outcome = ?, target = ? WHERE id = ?', [outcome, target, id]),
    )
  }

  /** Newest first. */
  list(filter: AuditFilter, { limit, before }: { limit: number; before: AuditId | undefined }): Promise<AuditLine[]> {
    const { tenantId, actor, action, target, since, until } = filter
    const time = (ms: number | undefined) => (ms === undefined ? undefined : timeValue(this.db.dialect, ms))
    const conditions: [sql: string, value: unknown][] = [
      ['tenant_id = ?', tenantId],
      ['actor = ?', actor],
      ['action = ?', action],
      ['target = ?', target],
      ['at >= ?', time(since)],
      ['at < ?', time(until)],
      ['id < ?', before],
    ]
    const given = conditions.filter(([, value]) => value !== undefined)
    const where = given.length > 0 ? `WHERE ${given.map(([sql]) => sql).join(' AND ')}` : ''
    return this.db.read((reader) =>
      selectRows(
        reader,
        auditTable,
        `${where} ORDER BY id DESC LIMIT ${Number(limit)}`,
        given.map(([, value]) => value),
      ),
    )
  }
}
