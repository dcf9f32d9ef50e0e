import { type EntityManager, In, IsNull } from 'typeorm'
import type { TenantId } from '../../proto/contract.js'
import type { Database } from '../db/database.js'
import { selectRows } from '../db/rows.js'
import type { ApiKey } from './api-key.js'
import { apiKeyTable } from './api-key-table.js'

export class ApiKeyRepository {
  constructor(private readonly db: Database) {}

  /** By its text, or by the one before. */
  findByLookup(lookup: string): Promise<ApiKey | null> {
    return this.db.read((reader) => reader.findOne(apiKeyTable, { where: [{ lookup }, { oldLookup: lookup }] }))
  }

  find(id: ApiKey['id']): Promise<ApiKey | null> {
    return this.db.read((reader) => reader.findOneBy(apiKeyTable, { id }))
  }

  byIds(ids: readonly ApiKey['id'][]): Promise<ApiKey[]> {
    return ids.length === 0
      ? Promise.resolve([])
      : this.db.read((reader) => reader.findBy(apiKeyTable, { id: In(ids) }))
  }

  /** Those that were not revoked, in the order of their making; of all tenants unless one is given. */
  list(tenantId: TenantId | undefined, limit: number, after = ''): Promise<ApiKey[]> {
    const [whose, values] = tenantId === undefined ? ['', []] : ['tenant_id = ? AND', [tenantId]]
    const condition = `WHERE ${whose} revoked_at IS NULL AND id > ? ORDER BY id LIMIT ${Number(limit)}`
    return this.db.read((reader) => selectRows(reader, apiKeyTable, condition, [...values, after]))
  }

  async add(tx: EntityManager, key: ApiKey): Promise<void> {
    await tx.insert(apiKeyTable, key)
  }

  /** Removes the keys of this name. */
  async forgetNamed(tx: EntityManager, tenantId: TenantId, name: string): Promise<void> {
    await tx.delete(apiKeyTable, { tenantId, name })
  }

  /** Gives a key a new secret. */
  async replace(tx: EntityManager, id: ApiKey['id'], secret: Pick<ApiKey, 'lookup' | 'hash'>): Promise<void> {
    await tx.update(apiKeyTable, { id }, { ...secret, ...noOldText, revokedAt: null })
  }

  /** A new text, and until when the one before is good. False when another was quicker. */
  async rotate(tx: EntityManager, before: ApiKey, secret: Pick<ApiKey, 'lookup' | 'hash'>, until: Date) {
    const old = { oldLookup: before.lookup, oldHash: before.hash, oldUntil: until }
    const { affected } = await tx.update(
      apiKeyTable,
      { id: before.id, lookup: before.lookup, revokedAt: IsNull() },
      { ...secret, ...old },
    )
    return affected === 1
  }

  /** False when it was revoked before. */
  async revoke(tx: EntityManager, id: ApiKey['id'], at: Date): Promise<boolean> {
    const { affected } = await tx.update(apiKeyTable, { id, revokedAt: IsNull() }, { revokedAt: at })
    return affected === 1
  }

  async revokeAll(tx: EntityManager, tenantId: TenantId, at: Date): Promise<void> {
    await tx.update(apiKeyTable, { tenantId, revokedAt: IsNull() }, { revokedAt: at })
  }

  async touch(tx: EntityManager, ids: ApiKey['id'][], at: Date): Promise<void> {
    await tx.update(apiKeyTable, { id: In(ids) }, { lastUsedAt: at })
  }
}

export const noOldText = { oldLookup: null, oldHash: null, oldUntil: null }
