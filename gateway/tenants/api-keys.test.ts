import { mkdtemp, readFile, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { silentLog } from '../../runtime/log.js'
import { databases, openDatabase } from '../../test/databases.js'
import type { Database } from '../db/database.js'
import { AdminKey } from './admin-key.js'
import { lookupOf, newKey } from './api-key.js'
import { ApiKeyRepository } from './api-key-repository.js'
import { apiKeyTable } from './api-key-table.js'
import { ApiKeys } from './api-keys.js'
import { Secrets } from './secrets.js'
import { DEFAULT_TENANT } from './tenant.js'

const pepper = Buffer.alloc(32, 7)
const from = { address: '127.0.0.1' }
const log = silentLog()

describe('an API key', () => {
  it('has a checksum by which a broken one is known without a look-up', () => {
    const key = newKey()
    expect(key).toMatch(/^swb_[0-9A-Za-z]{12}_[0-9A-Za-z]{38}$/)
    expect(lookupOf(key, pepper)).toBe(key.slice(4, 16))
    const broken = key.slice(0, -7) + (key.at(-7) === 'x' ? 'y' : 'x') + key.slice(-6)
    expect(lookupOf(broken, pepper)).toBeUndefined()
    expect(lookupOf('swb_short', pepper)).toBeUndefined()
  })
})

describe.each(databases())('ApiKeys on $name', (target) => {
  let db: Database
  let now = Date.now()
  const make = () => {
    const repository = new ApiKeyRepository(db)
    return { repository, keys: new ApiKeys({ db, repository, pepper: () => pepper, clock: () => now, log }) }
  }
  beforeAll(async () => {
    db = await openDatabase(target)
  })
  afterAll(() => db.stop())

  it('lets in who has the key, and keeps only a hash of it', async () => {
    const { keys } = make()
    const { key, text } = await keys.issue({ tenantId: DEFAULT_TENANT, name: 'shop', scopes: ['messages:send'] })
    expect(await keys.verify(text, from)).toMatchObject({ id: key.id, scopes: ['messages:send'], sessions: ['*'] })
    const [row] = await db.read(
      (reader) => reader.query('SELECT * FROM api_keys WHERE id = ?', [key.id]) as Promise<object[]>,
    )
    expect(JSON.stringify(row)).not.toContain(text.slice(17))
  })

  it('refuses keys that are unknown, broken, expired, revoked, or used from elsewhere', async () => {
    const { keys } = make()
    const issue = async (more: object = {}) =>
      (await keys.issue({ tenantId: DEFAULT_TENANT, name: 'x', scopes: ['admin'], ...more })).text
    await expect(keys.verify(newKey(), from)).rejects.toMatchObject({ reason: 'api_key_unknown' })
    await expect(keys.verify('swb_nonsense', from)).rejects.toMatchObject({ reason: 'api_key_malformed' })
    await expect(keys.verify('x'.repeat(300), from)).rejects.toMatchObject({ reason: 'api_key_malformed' })
    const other = await issue()
    const forged = newKey().slice(0, 4) + other.slice(4, 16) + newKey().slice(16)
    await expect(keys.verify(forged, from)).rejects.toMatchObject({ code: 'unauthenticated' })

    const short = await issue({ expiresAt: new Date(now + 1_000) })
    await keys.verify(short, from)
    now += 1_000
    await expect(keys.verify(short, from)).rejects.toMatchObject({ reason: 'api_key_expired' })

    const office = await issue({ cidrs: ['10.1.0.0/16'] })
    await keys.verify(office, { address: '::ffff:10.1.2.3' })
    await expect(keys.verify(office, from)).rejects.toMatchObject({ code: 'forbidden', reason: 'address_not_allowed' })

    const { key, text } = await keys.issue({ tenantId: DEFAULT_TENANT, name: 'gone', scopes: ['admin'] })
    await db.write((tx) => tx.update(apiKeyTable, { id: key.id }, { revokedAt: new Date() }))
    await expect(keys.verify(text, from)).rejects.toMatchObject({ reason: 'api_key_unknown' })
  })

  it('takes the place of the key that a part of ours had before', async () => {
    const { keys } = make()
    const wanted = { tenantId: DEFAULT_TENANT, name: 'bot', scopes: ['admin' as const], replace: true }
    const first = await keys.issue(wanted)
    const second = await keys.issue(wanted)
    await expect(keys.verify(first.text, from)).rejects.toMatchObject({ reason: 'api_key_unknown' })
    expect((await keys.verify(second.text, from)).id).toBe(second.key.id)
  })

  it('writes down when a key was used last', async () => {
    const { keys, repository } = make()
    const { key, text } = await keys.issue({ tenantId: DEFAULT_TENANT, name: 'used', scopes: ['admin'] })
    await keys.verify(text, from)
    await keys.touchUsed()
    expect((await repository.find(key.id))?.lastUsedAt?.getTime()).toBe(now)
  })

  it('makes the first admin key once, keeps it readable by its owner only, and follows the setting when there is one', async () => {
    const dataDir = await mkdtemp(join(tmpdir(), 'switchboard-admin-'))
    const start = async (given?: string) => {
      const admin = new AdminKey({ db, ...make(), given, dataDir, log })
      await admin.start()
      return admin
    }
    const first = await start()
    expect(first).toMatchObject({ isNew: true, text: expect.stringMatching(/^swb_/) as string })
    const file = join(dataDir, 'admin-api-key')
    expect((await stat(file)).mode & 0o777).toBe(0o600)
    expect(await readFile(file, 'utf8')).toBe(`${first.text}\n`)
    expect(await start()).toMatchObject({ isNew: false, text: first.text })
    expect(await make().keys.verify(first.text ?? '', from)).toMatchObject({ scopes: ['admin'] })

    await start('chosen-by-the-operator-1234')
    expect((await make().keys.verify('chosen-by-the-operator-1234', from)).name).toBe('admin')
    await expect(make().keys.verify(first.text ?? '', from)).rejects.toMatchObject({ reason: 'api_key_unknown' })
    await rm(dataDir, { recursive: true })
  })
})

describe('Secrets', () => {
  it('are made once, kept readable by their owner only, and differ by purpose', async () => {
    const dataDir = await mkdtemp(join(tmpdir(), 'switchboard-secrets-'))
    const started = async () => {
      const secrets = new Secrets({ dataDir })
      await secrets.start()
      return secrets
    }
    const [first, again] = [await started(), await started()]
    expect(again.key('links')).toEqual(first.key('links'))
    expect(first.key('media')).not.toEqual(first.key('links'))
    expect((await stat(join(dataDir, 'secret-key'))).mode & 0o777).toBe(0o600)
    await rm(dataDir, { recursive: true })
  })
})
