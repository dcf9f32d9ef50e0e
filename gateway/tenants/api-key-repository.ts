import { type EntityManager, In } from 'typeorm'
import type { TenantId } from '../../proto/contract.js'
import type { Database } from '../db/database.js'
import type { ApiKey } from './api-key.js'
import { apiKeyTable } from './api-key-table.js'

export class ApiKeyRepository {
  constructor(private readonly db: Database) {}

  findByLookup(lookup: string): Promise<ApiKey | null> {
    return this.db.read((reader) => reader.findOneBy(apiKeyTable, { lookup }))
  }

  find(id: ApiKey['id']): Promise<ApiKey | null> {
    return this.db.read((reader) => reader.findOneBy(apiKeyTable, { id }))
  }

  byIds(ids: readonly ApiKey['id'][]): Promise<ApiKey[]> {
    return ids.length === 0
      ? Promise.resolve([])
      : this.db.read((reader) => reader.findBy(apiKeyTable, { id: In(ids) }))
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
    await tx.update(apiKeyTable, { id }, { ...secret, revokedAt: null })
  }

  async touch(tx: EntityManager, ids: ApiKey['id'][], at: Date): Promise<void> {
    await tx.update(apiKeyTable, { id: In(ids) }, { lastUsedAt: at })
  }
}
