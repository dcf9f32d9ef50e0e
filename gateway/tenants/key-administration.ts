/** API keys as admins see them: made, listed, rotated, revoked. */
import type { TenantId } from '../../proto/contract.js'
import { AppError } from '../../runtime/app-error.js'
import type { Clock } from '../../runtime/clock.js'
import { isId } from '../../runtime/ids.js'
import type { Logger } from '../../runtime/log.js'
import type { Database, Tx } from '../db/database.js'
import { ADMIN_KEY } from './admin-key.js'
import { type ApiKey, newKey, type Scope } from './api-key.js'
import type { ApiKeyRepository } from './api-key-repository.js'
import type { ApiKeys, IssuedKey } from './api-keys.js'
import { DEFAULT_TENANT, refuseDeleting, type Tenant, tenantUnknown } from './tenant.js'
import type { TenantRepository } from './tenant-repository.js'
import type { Tenants } from './tenants.js'

export interface KeyAdministrationOptions {
  db: Database
  repository: ApiKeyRepository
  keys: ApiKeys
  tenants: Pick<Tenants, 'get' | 'find'>
  tenantRepository: Pick<TenantRepository, 'lock'>
  /** By id or name. Throws `not_found`. */
  findSession: (tenantId: TenantId, ref: string) => Promise<{ id: string }>
  clock: Clock
  log: Logger
}

export interface WantedKey {
  name: string
  /** Id or name. */
  tenant: string
  scopes: Scope[]
  /** Ids or names; all unless given. */
  sessions?: string[] | undefined
  cidrs?: string[] | undefined
  requestsPerMinute?: number | undefined
  expiresAt?: Date | undefined
}

/** In the transaction that makes a key, or gives it its new text. */
type Also = (tx: Tx, made: IssuedKey, tenant: Tenant) => Promise<void>

export class KeyAdministration {
  constructor(private readonly options: KeyAdministrationOptions) {}

  /**
   * Throws `not_found` (`tenant_unknown`, `session_not_found`), `conflict` (`tenant_deleting`), `unprocessable`
   * (`admin_not_allowed`) and `invalid`.
   */
  async create(wanted: WantedKey, also?: Also): Promise<IssuedKey & { tenant: Tenant }> {
    const { keys, tenants, tenantRepository, findSession, clock, log } = this.options
    const { name, scopes, cidrs = [], requestsPerMinute, expiresAt } = wanted
    if (expiresAt && expiresAt.getTime() <= clock()) {
      throw new AppError('invalid', 'expiresAt: must be in the future.', { reason: 'invalid_request' })
    }
    const tenant = await tenants.get(wanted.tenant)
    refuseDeleting(tenant)
    const sessions = wanted.sessions?.includes('*') ? undefined : wanted.sessions
    if (scopes.includes('admin') && (tenant.id !== DEFAULT_TENANT || sessions)) throw adminNotAllowed()
    const found = sessions && (await Promise.all(sessions.map((ref) => findSession(tenant.id, ref))))
    const issued = await keys.issue(
      {
        ...{ tenantId: tenant.id, name, scopes, cidrs, requestsPerMinute, expiresAt },
        sessions: found ? [...new Set(found.map(({ id }) => id))] : ['*'],
      },
      async (tx, made) => {
        const newest = await tenantRepository.lock(tx, tenant.id)
        if (!newest) throw tenantUnknown()
        refuseDeleting(newest)
        await also?.(tx, made, tenant)
      },
    )
    log.info({ apiKey: issued.key.id, tenant: tenant.id, scopes }, 'api_key.made')
    return { ...issued, tenant }
  }

  /** Throws `not_found`. `within`: only a key of this tenant. */
  async get(id: string, within?: TenantId): Promise<ApiKey> {
    const key = isId('key', id) ? await this.options.repository.find(id) : null
    if (!key || key.revokedAt || (within && key.tenantId !== within)) {
      throw new AppError('not_found', 'There is no such API key.', { reason: 'api_key_not_found' })
    }
    return key
  }

  list(tenantId: TenantId | undefined, limit: number, after?: string): Promise<ApiKey[]> {
    return this.options.repository.list(tenantId, limit, after)
  }

  /** A new text; the one before is good for a while. Throws `not_found`, `conflict` (`api_key_is_set`). */
  async rotate(key: ApiKey, overlapMs: number, also?: Also): Promise<IssuedKey & { tenant: Tenant }> {
    const { db, repository, keys, clock, log } = this.options
    refuseSet(key)
    const tenant = await this.tenantOf(key)
    const text = newKey()
    const secret = keys.secretOf(text)
    const oldUntil = new Date(clock() + overlapMs)
    const rotated = { ...key, ...secret, oldLookup: key.lookup, oldHash: key.hash, oldUntil }
    await db.write(async (tx) => {
      await also?.(tx, { key: rotated, text }, tenant)
      if (await repository.rotate(tx, key, secret, oldUntil)) return
      throw new AppError('conflict', 'The key was rotated or revoked in this moment.', { reason: 'api_key_changed' })
    })
    keys.forget()
    log.info({ apiKey: key.id, tenant: key.tenantId }, 'api_key.rotated')
    return { key: rotated, text, tenant }
  }

  /** Throws `not_found`, `conflict` (`api_key_is_set`). */
  async revoke(key: ApiKey): Promise<void> {
    const { db, repository, keys, clock, log } = this.options
    refuseSet(key)
    await db.write((tx) => repository.revoke(tx, key.id, new Date(clock())))
    keys.forget()
    log.info({ apiKey: key.id, tenant: key.tenantId }, 'api_key.revoked')
  }

  async tenantOf({ tenantId }: ApiKey): Promise<Tenant> {
    const tenant = await this.options.tenants.find(tenantId)
    if (!tenant) throw tenantUnknown()
    return tenant
  }
}

function adminNotAllowed(): AppError {
  return new AppError(
    'unprocessable',
    'The scope admin is for keys of the tenant default, and for all sessions: give this key other scopes.',
    { reason: 'admin_not_allowed' },
  )
}

/** It would be back with the next start. */
function refuseSet({ id }: ApiKey): void {
  if (id !== ADMIN_KEY) return
  throw new AppError(
    'conflict',
    'This is the key of ADMIN_API_KEY, or of the file admin-api-key in DATA_DIR: change it there and start again.',
    { reason: 'api_key_is_set' },
  )
}
