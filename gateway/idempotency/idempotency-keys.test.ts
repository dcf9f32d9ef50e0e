import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { AppError } from '../../runtime/app-error.js'
import { silentLog } from '../../runtime/log.js'
import { databases, openDatabase } from '../../test/databases.js'
import type { Database } from '../db/database.js'
import { DEFAULT_TENANT } from '../tenants/tenant.js'
import { givenKey } from './idempotency-key.js'
import { IdempotencyKeyRepository } from './idempotency-key-repository.js'
import { type Claim, IdempotencyKeys } from './idempotency-keys.js'
import { KeyTrimmer } from './key-trimmer.js'

const MINUTE_MS = 60_000

describe.each(databases())('IdempotencyKeys on $name', (target) => {
  let db: Database
  let repository: IdempotencyKeyRepository
  let keys: IdempotencyKeys
  let now = 1_790_000_000_000
  let number = 0
  const log = silentLog()
  const clock = () => now
  const aRequest = (body: unknown = {}, key = `key-${++number}`) =>
    givenKey(key, 'POST /sessions', DEFAULT_TENANT).asks(body)
  const answer = { status: 201, body: { id: 'ses_1' } }
  async function claimed(request = aRequest()): Promise<Claim> {
    const claim = await keys.claim(request)
    if ('answered' in claim) throw new Error('It is answered already')
    return claim
  }

  beforeAll(async () => {
    db = await openDatabase(target)
    repository = new IdempotencyKeyRepository(db, () => Buffer.alloc(32))
    keys = new IdempotencyKeys({ db, repository, clock, log })
  })
  afterAll(() => db.stop())

  it('tells the same text apart by tenant and by route', () => {
    const ids = [
      givenKey('a', 'POST /sessions', DEFAULT_TENANT),
      givenKey('a', 'POST /media', DEFAULT_TENANT),
      givenKey('a', 'POST /sessions', 'ten_other'),
    ].map(({ id }) => id)
    expect(new Set(ids).size).toBe(3)
  })

  it('lets one of many claim a key', async () => {
    const request = aRequest()
    const done = await Promise.allSettled(Array.from({ length: 20 }, () => keys.claim(request)))
    expect(done.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
    for (const result of done) {
      if (result.status === 'rejected') expect(result.reason).toMatchObject({ reason: 'idempotency_in_progress' })
    }
  })

  it('knows its own claim when the connection was lost in its commit', async () => {
    const lost = new AppError('unavailable', 'lost', { reason: 'database_unavailable' })
    const write: Database['write'] = async (work) => {
      await db.write(work)
      throw lost
    }
    const losing = new IdempotencyKeys({
      db: Object.create(db, { write: { value: write } }) as Database,
      repository,
      clock,
      log,
    })
    const request = aRequest()
    const claim = await losing.claim(request)
    expect(claim).toMatchObject({ request, settled: false })
    await expect(keys.claim(request)).rejects.toMatchObject({ reason: 'idempotency_in_progress' })
    await keys.settleNow(claim as Claim, { answer })
    expect(await keys.claim(request)).toMatchObject({ answered: { answer } })
    const away: Database['write'] = () => Promise.reject(lost)
    const refused = new IdempotencyKeys({
      db: Object.create(db, { write: { value: away } }) as Database,
      repository,
      clock,
      log,
    })
    await expect(refused.claim(aRequest())).rejects.toBe(lost)
  })

  it('hands a lapsed claim on, with what was made, and refuses the former holder', async () => {
    const request = aRequest()
    const first = await claimed(request)
    await db.write((tx) => keys.note(tx, first, 'ses_1'))
    now += MINUTE_MS - 1
    await expect(keys.claim(request)).rejects.toMatchObject({ code: 'conflict', retryAfterMs: 1_000 })
    now += 1
    await expect(keys.claim({ ...request, fingerprint: 'other' })).rejects.toMatchObject({
      reason: 'idempotency_key_reused',
    })
    const second = await claimed(request)
    expect(second.made).toBe('ses_1')
    await expect(db.write((tx) => keys.note(tx, first, 'ses_2'))).rejects.toMatchObject({ code: 'conflict' })
    await expect(db.write((tx) => keys.settle(tx, first, { answer }))).rejects.toMatchObject({ code: 'conflict' })
    // Its work has failed meanwhile: that frees nothing that is another's.
    await expect(keys.hold(first, () => Promise.reject(new Error('broken')))).rejects.toThrow('broken')
    await db.write((tx) => keys.settle(tx, second, { answer }))
    expect(await keys.claim(request)).toMatchObject({ answered: { made: 'ses_1', answer } })
  })

  it('frees the key of work that was refused', async () => {
    const request = aRequest()
    const claim = await claimed(request)
    const refuse = () => Promise.reject(new AppError('not_ready', 'Not now.'))
    await expect(keys.hold(claim, refuse)).rejects.toThrow('Not now.')
    expect(await keys.find(request.id)).toBeNull()
    await claimed(request)
  })

  it('keeps the key of work that failed for an equal request, which goes on with what was made', async () => {
    const request = aRequest()
    const claim = await claimed(request)
    const fail = async () => {
      await db.write((tx) => keys.note(tx, claim, 'ses_1'))
      throw new AppError('timeout', 'The node took too long.')
    }
    await expect(keys.hold(claim, fail)).rejects.toThrow('too long')
    const other = { ...request, fingerprint: 'of something else' }
    await expect(keys.claim(other)).rejects.toMatchObject({ reason: 'idempotency_key_reused' })
    expect(await claimed(request)).toMatchObject({ made: 'ses_1' })
  })

  it('keeps an answer for its time, then gives the key away and trims it', async () => {
    const [short, long] = [aRequest(), aRequest()]
    await keys.settleNow(await claimed(short), { answer, keepMs: MINUTE_MS })
    await keys.settleNow(await claimed(long), { answer })
    now += MINUTE_MS
    expect(await keys.claim(long)).toMatchObject({ answered: { answer } })
    expect(await keys.find(short.id)).toBeNull()
    await keys.settleNow(await claimed(short), { answer })
    now += 72 * 60 * MINUTE_MS
    const trimmer = new KeyTrimmer({ db, repository, clock, log })
    await trimmer.trim()
    const left = await db.read((reader) => reader.query('SELECT id FROM idempotency_keys'))
    expect(left).toEqual([])
  })

  it('joins equal keys of one batch, and replaces those whose time is over', async () => {
    const [one, two] = [aRequest('one'), aRequest('two')]
    const admit = (...made: [typeof one | undefined, string][]) =>
      db.write((tx) =>
        keys.admit(
          tx,
          made.map(([request, id]) => request && { request, made: id, answer }),
          async () => new Set(),
        ),
      )
    expect(await admit([one, 'msg_1'], [undefined, ''], [two, 'msg_2'], [one, 'msg_3'])).toMatchObject([
      null,
      null,
      null,
      { made: 'msg_1', answer },
    ])
    expect(await admit([two, 'msg_4'])).toMatchObject([{ made: 'msg_2' }])
    now += 72 * 60 * MINUTE_MS
    expect(await admit([two, 'msg_5'], [two, 'msg_6'])).toMatchObject([null, { made: 'msg_5' }])
  })

  it('lets a gateway that was killed be followed at once where there is only one', async () => {
    const request = aRequest()
    await claimed(request)
    const trimmer = new KeyTrimmer({ db, repository, clock, log })
    await trimmer.start()
    await trimmer.stop()
    if (target.name === 'SQLite') await claimed(request)
    else await expect(keys.claim(request)).rejects.toMatchObject({ reason: 'idempotency_in_progress' })
  })
})
