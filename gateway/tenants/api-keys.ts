import type { TenantId } from '../../proto/contract.js'
import { AppError } from '../../runtime/app-error.js'
import { type Clock, sleep } from '../../runtime/clock.js'
import { newId } from '../../runtime/ids.js'
import type { Service } from '../../runtime/lifecycle.js'
import type { Logger } from '../../runtime/log.js'
import type { Database, Tx } from '../db/database.js'
import { Remembered } from '../db/remembered.js'
import { isWithin } from './address-range.js'
import { type ApiKey, hashKey, lookupOf, newKey, sameHash, type Scope } from './api-key.js'
import { type ApiKeyRepository, noOldText } from './api-key-repository.js'

export interface NewApiKey {
  tenantId: TenantId
  name: string
  scopes: Scope[]
  sessions?: string[]
  cidrs?: string[]
  /** Beside what its tenant may; as many unless given. */
  requestsPerMinute?: number | undefined
  expiresAt?: Date | undefined
  /** The key of a part of our own, made anew at each start: the earlier ones of this name go. */
  replace?: boolean
}

export interface IssuedKey {
  key: ApiKey
  text: string
}

export interface ApiKeysOptions {
  db: Database
  repository: ApiKeyRepository
  /** Hashes of keys cannot be tried out without it. */
  pepper: () => Buffer
  clock: Clock
  log: Logger
}

/** So long a revoked key may still be let in, by another gateway. We promise 5 s. */
const TRUST_MS = 4_000
const TOUCH_MS = 30_000

export class ApiKeys implements Service {
  private readonly known = new Remembered<string, ApiKey>(TRUST_MS, (lookup) =>
    this.options.repository.findByLookup(lookup),
  )
  private used = new Set<ApiKey['id']>()
  private stopping = new AbortController()
  private loop: Promise<void> = Promise.resolve()

  constructor(private readonly options: ApiKeysOptions) {}

  async start(): Promise<void> {
    this.stopping = new AbortController()
    this.loop = this.touching(this.stopping.signal)
  }

  async stop(): Promise<void> {
    this.stopping.abort()
    await this.loop
    this.known.forget()
  }

  /** Makes a key. Its text is known only now. `also` in the same transaction, before the row stands. */
  async issue(wanted: NewApiKey, also?: (tx: Tx, made: IssuedKey) => Promise<void>): Promise<IssuedKey> {
    const text = newKey()
    const { tenantId, name, scopes, sessions = ['*'], cidrs = [], requestsPerMinute = null, expiresAt = null } = wanted
    const key: ApiKey = {
      id: newId('key'),
      tenantId,
      name,
      ...this.secretOf(text),
      ...noOldText,
      scopes,
      sessions,
      cidrs,
      requestsPerMinute,
      expiresAt,
      lastUsedAt: null,
      revokedAt: null,
      createdAt: new Date(this.options.clock()),
    }
    await this.options.db.write(async (tx) => {
      await also?.(tx, { key, text })
      if (wanted.replace) await this.options.repository.forgetNamed(tx, tenantId, name)
      await this.options.repository.add(tx, key)
    })
    if (wanted.replace) this.forget()
    return { key, text }
  }

  /** What is stored of a key's text. Throws `invalid` when it looks like one of ours and is not whole. */
  secretOf(text: string): Pick<ApiKey, 'lookup' | 'hash'> {
    const pepper = this.options.pepper()
    const lookup = lookupOf(text, pepper)
    if (lookup === undefined)
      throw new AppError('invalid', 'This API key is not complete.', { reason: 'api_key_malformed' })
    return { lookup, hash: hashKey(text, pepper) }
  }

  /** The key that this text is. Throws `unauthenticated`, and `forbidden` when it may not be used from there. */
  async verify(text: string, { address }: { address: string }): Promise<ApiKey> {
    const pepper = this.options.pepper()
    const lookup = text.length > 256 ? undefined : lookupOf(text, pepper)
    if (lookup === undefined) {
      throw new AppError('unauthenticated', 'This API key is not complete.', { reason: 'api_key_malformed' })
    }
    const key = await this.known.find(lookup)
    const isOld = key?.oldLookup === lookup
    const stored = isOld ? key.oldHash : key?.hash
    if (!key || !stored || !sameHash(stored, hashKey(text, pepper)) || key.revokedAt) {
      throw new AppError('unauthenticated', 'This API key is not known.', { reason: 'api_key_unknown' })
    }
    if (isOld && (key.oldUntil?.getTime() ?? 0) <= this.options.clock()) {
      throw new AppError('unauthenticated', 'This API key was rotated: use the new one.', { reason: 'api_key_expired' })
    }
    if (key.expiresAt && key.expiresAt.getTime() <= this.options.clock()) {
      throw new AppError('unauthenticated', 'This API key has expired.', { reason: 'api_key_expired' })
    }
    if (key.cidrs.length > 0 && !key.cidrs.some((range) => isWithin(address, range))) {
      throw new AppError('forbidden', 'This API key may not be used from this address.', {
        reason: 'address_not_allowed',
      })
    }
    this.used.add(key.id)
    return key
  }

  /** Those of these keys that are still good, as they are now: for what goes on for longer than a request. */
  async stillGood(ids: readonly ApiKey['id'][]): Promise<Map<ApiKey['id'], ApiKey>> {
    const now = this.options.clock()
    const keys = await this.options.repository.byIds(ids)
    const good = keys.filter(({ revokedAt, expiresAt }) => !revokedAt && (!expiresAt || expiresAt.getTime() > now))
    return new Map(good.map((key) => [key.id, key]))
  }

  /** Writes down which keys were used since the last round. */
  async touchUsed(): Promise<void> {
    if (this.used.size === 0) return
    const ids = [...this.used]
    this.used = new Set()
    await this.options.db.write((tx) => this.options.repository.touch(tx, ids, new Date(this.options.clock())))
  }

  /** Keys were changed here: that is true at once. */
  forget(): void {
    this.known.forget()
  }

  private async touching(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await sleep(TOUCH_MS, signal)
      try {
        await this.touchUsed()
      } catch (err) {
        this.options.log.warn({ err }, 'api_keys.last_use_not_stored')
      }
    }
  }
}
