import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { SessionId } from '../../proto/contract.js'
import { waMessageId } from '../../proto/wa-message-id.js'
import { AppError } from '../../runtime/app-error.js'
import { systemClock } from '../../runtime/clock.js'
import { newId } from '../../runtime/ids.js'
import { silentLog } from '../../runtime/log.js'
import { databases, openDatabase } from '../../test/databases.js'
import type { Database } from '../db/database.js'
import { givenKey } from '../idempotency/idempotency-key.js'
import { IdempotencyKeyRepository } from '../idempotency/idempotency-key-repository.js'
import { IdempotencyKeys } from '../idempotency/idempotency-keys.js'
import type { Session } from '../sessions/session.js'
import { SessionRepository } from '../sessions/session-repository.js'
import { QuotaRepository } from '../limits/quota-repository.js'
import { Quotas } from '../limits/quotas.js'
import { DEFAULT_TENANT, UNLIMITED } from '../tenants/tenant.js'
import { TenantRepository } from '../tenants/tenant-repository.js'
import { Tenants } from '../tenants/tenants.js'
import type { Message } from './message.js'
import { MessageAcceptor } from './message-acceptor.js'
import { MessageRepository } from './message-repository.js'

describe.each(databases())('MessageAcceptor on $name', (target) => {
  let db: Database
  const sessionId = newId('ses')
  const limited = newId('ten')
  let quotas: Quotas
  const lost = new AppError('unavailable', 'lost', { reason: 'database_unavailable' })

  beforeAll(async () => {
    db = await openDatabase(target)
    await new SessionRepository(db).add(aSession(sessionId))
    const tenants = new Tenants({ db, repository: new TenantRepository(db), clock: systemClock, log: silentLog() })
    const tenant = { id: limited, name: 'limited', status: 'active' as const, limits: UNLIMITED, createdAt: new Date() }
    await db.write((tx) => new TenantRepository(db).add(tx, tenant))
    await tenants.change(limited, { limits: { messagesPerDay: 2 } })
    quotas = new Quotas({
      ...{ db, repository: new QuotaRepository(db), clock: systemClock, time: systemClock },
      // As in the gateway, where messages keep the order in which they were asked for.
      limits: async (id) => (await tenants.find(id))?.limits ?? UNLIMITED,
      addEvents: async () => undefined,
      ...{ onTold: () => undefined, onRefused: () => undefined },
    })
  })
  afterAll(() => db.stop())

  /** On a database whose `write` may be changed; the rest is as it is. */
  function acceptor(write: Database['write'] = (work) => db.write(work)) {
    const keys = new IdempotencyKeys({
      ...{ db, clock: systemClock, log: silentLog() },
      repository: new IdempotencyKeyRepository(db, () => Buffer.alloc(32)),
    })
    const between = Object.create(db, { write: { value: write } }) as Database
    return new MessageAcceptor({ db: between, repository: new MessageRepository(db), keys, quotas })
  }
  const admission = (message: Message, key: string) => ({
    request: givenKey(key, 'POST /messages', DEFAULT_TENANT).asks('hi'),
    made: message.id,
    answer: { status: 202, body: { id: message.id } },
  })
  const stored = ({ id }: Message) => new MessageRepository(db).find(DEFAULT_TENANT, id)

  it('knows by the key that a commit went through whose connection was lost', async () => {
    const message = aMessage(sessionId)
    const losing = acceptor(async (work) => {
      await db.write(work)
      throw lost
    })
    expect(await losing.addOnce(message, admission(message, 'committed'))).toBeNull()
    expect(await stored(message)).not.toBeNull()
    const again = aMessage(sessionId)
    expect(await acceptor().addOnce(again, admission(again, 'committed'))).toMatchObject({ made: message.id })
    expect(await stored(again)).toBeNull()
  })

  it('says that the database is away when nothing was stored, and takes the key the next time', async () => {
    const message = aMessage(sessionId)
    const away = acceptor(() => Promise.reject(lost))
    await expect(away.addOnce(message, admission(message, 'away'))).rejects.toBe(lost)
    expect(await acceptor().addOnce(message, admission(message, 'away'))).toBeNull()
  })

  it('gives each of a batch its own result when one of its rows is refused', async () => {
    const one = acceptor()
    const [known, first, twin, alone] = [1, 2, 3, 4].map(() => aMessage(sessionId)) as [
      Message,
      Message,
      Message,
      Message,
    ]
    await one.add(known)
    const results = await Promise.allSettled([
      one.addOnce(first, admission(first, 'batch')),
      one.add(known),
      one.addOnce(twin, admission(twin, 'batch')),
      one.add(alone),
    ])
    expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled', 'fulfilled'])
    expect(results[2]).toMatchObject({ value: { made: first.id } })
    expect(await Promise.all([first, twin, alone].map(async (message) => (await stored(message)) !== null))).toEqual([
      true,
      false,
      true,
    ])
  })

  it('refuses what exceeds a quota, alone and together with what is equal to it, and stores the rest of the batch', async () => {
    const one = acceptor()
    const [a, b, over, twin, other] = [limited, limited, limited, limited, DEFAULT_TENANT].map((tenantId) => ({
      ...aMessage(sessionId),
      tenantId,
    })) as [Message, Message, Message, Message, Message]
    const results = await Promise.allSettled([
      one.addOnce(a, admission(a, 'a')),
      one.add(b),
      one.addOnce(over, admission(over, 'over')),
      one.addOnce(twin, admission(twin, 'over')),
      one.add(other),
    ])
    expect(results.map(({ status }) => status)).toEqual([
      ...['fulfilled', 'fulfilled'],
      ...['rejected', 'rejected'],
      'fulfilled',
    ])
    expect(results[3]).toMatchObject({ reason: { code: 'rate_limited', reason: 'quota_exceeded' } })
    expect(await stored(other)).not.toBeNull()
    expect(await quotas.state(limited)).toMatchObject({ used: 2, limit: 2 })
    const again = { ...aMessage(sessionId), tenantId: limited }
    expect(await one.addOnce(again, admission(again, 'a'))).toMatchObject({ made: a.id })
  })
})

function aMessage(sessionId: SessionId): Message {
  const id = newId('msg')
  return {
    ...{ id, tenantId: DEFAULT_TENANT, sessionId, direction: 'out', origin: 'api', chatId: '4915112345678@c.us' },
    ...{ content: { type: 'text', text: { body: 'hi' } }, mentions: [], onUnknown: 'resend', status: 'pending' },
    ...{ waMessageId: waMessageId(id), awaiting: true, offered: false, createdAt: Date.now() },
  }
}

function aSession(id: SessionId): Session {
  return {
    ...{ id, tenantId: DEFAULT_TENANT, name: 'shop', liveName: 'shop', engine: 'sandbox', nodeId: newId('nod') },
    ...{ wanted: 'running', status: 'connected', reason: null, detail: null, phone: null, lid: null, pushName: null },
    ...{ pacing: { gapMs: 0, jitterMs: 0, messagesPerDay: 0 }, sandbox: null, metadata: null },
    ...{ changedAt: new Date(), connectedAt: null, createdAt: new Date(), deletedAt: null },
  }
}
