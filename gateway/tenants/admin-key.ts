import { join } from 'node:path'
import { rm } from 'node:fs/promises'
import type { Service } from '../../runtime/lifecycle.js'
import type { Logger } from '../../runtime/log.js'
import type { Database } from '../db/database.js'
import { isDuplicate } from '../db/database-errors.js'
import { type ApiKey, newKey } from './api-key.js'
import { type ApiKeyRepository, noOldText } from './api-key-repository.js'
import type { ApiKeys } from './api-keys.js'
import { readIfThere, writeKept } from './secrets.js'
import { DEFAULT_TENANT } from './tenant.js'

/** One row, the same on every gateway, so that a changed ADMIN_API_KEY takes the place of the old one. */
export const ADMIN_KEY: ApiKey['id'] = 'key_00000000000000000000000001'

export interface AdminKeyOptions {
  db: Database
  repository: ApiKeyRepository
  keys: ApiKeys
  /** ADMIN_API_KEY. */
  given?: string | undefined
  dataDir: string
  log: Logger
}

/** The first key: as set, else as kept in the data folder, else made now. */
export class AdminKey implements Service {
  /** The text, where this gateway knows it. */
  text: string | undefined
  /** True when it was made at this start: it is told once. */
  isNew = false
  private readonly file: string

  constructor(private readonly options: AdminKeyOptions) {
    this.file = join(options.dataDir, 'admin-api-key')
  }

  async start(): Promise<void> {
    const { repository, given } = this.options
    this.text = given ?? (await readIfThere(this.file))
    const row = await repository.find(ADMIN_KEY)
    if (this.text !== undefined) return this.storeKnown(this.text, row)
    // Another gateway made it, on its own disk.
    if (row) return
    // Kept before it is stored: a crash in between leaves a key that the next start stores.
    const made = newKey()
    await writeKept(this.file, made)
    try {
      await this.store(made, null)
    } catch (error) {
      if (!isDuplicate(error)) throw error
      // Two first starts at once, and the other gateway was quicker.
      return rm(this.file)
    }
    this.text = made
    this.isNew = true
  }

  async stop(): Promise<void> {}

  private async storeKnown(text: string, row: ApiKey | null): Promise<void> {
    try {
      await this.store(text, row)
    } catch (error) {
      if (row || !isDuplicate(error)) throw error
      // Two first starts at once, and the other gateway was quicker.
      await this.store(text, await this.options.repository.find(ADMIN_KEY))
    }
  }

  private async store(text: string, row: ApiKey | null): Promise<void> {
    const { db, repository, keys, log } = this.options
    const secret = keys.secretOf(text)
    if (row?.hash === secret.hash && row.revokedAt === null) return
    if (row) {
      await db.write((tx) => repository.replace(tx, ADMIN_KEY, secret))
      log.warn('api_keys.admin_key_replaced')
      return
    }
    const now = new Date()
    await db.write((tx) =>
      repository.add(tx, {
        id: ADMIN_KEY,
        tenantId: DEFAULT_TENANT,
        name: 'admin',
        ...secret,
        ...noOldText,
        scopes: ['admin'],
        sessions: ['*'],
        cidrs: [],
        requestsPerMinute: null,
        expiresAt: null,
        lastUsedAt: null,
        revokedAt: null,
        createdAt: now,
      }),
    )
    log.info('api_keys.admin_key_made')
  }
}
