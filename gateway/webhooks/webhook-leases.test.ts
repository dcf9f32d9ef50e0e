import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { SessionId } from '../../proto/contract.js'
import { openDatabase } from '../../test/databases.js'
import { until } from '../../test/until.js'
import { WebhookCatcher } from '../../test/webhook-catcher.js'
import type { Database } from '../db/database.js'
import { createTestWebhooks } from './testing.js'

describe('two gateways on one MariaDB', () => {
  let db: Database
  let catcher: WebhookCatcher
  let gateways: ReturnType<typeof createTestWebhooks>[]
  let sessions: SessionId[]

  beforeEach(async () => {
    catcher = new WebhookCatcher()
    await catcher.start()
    db = await openDatabase({ name: 'MariaDB' })
    const first = createTestWebhooks({ db, clock: Date.now })
    gateways = [first, createTestWebhooks({ db, clock: Date.now, secret: first.secret })]
    sessions = [await first.session('one'), await first.session('two')]
  })
  afterEach(async () => {
    await Promise.all(gateways.map((gateway) => gateway.stop()))
    await db.stop()
    await catcher.stop()
  })
  const [FIRST, SECOND] = [0, 1]
  const gateway = (index: number) => gateways[index] as ReturnType<typeof createTestWebhooks>

  it('deliver each event once, within the bound of the webhook and in its order, whichever of them stored it', async () => {
    await gateway(FIRST).make({ url: catcher.url('/loose'), concurrency: 3 })
    await gateway(FIRST).make({ url: catcher.url('/ordered'), ordered: true })
    catcher.reply = () => ({ status: 204, afterMs: 3 })
    await Promise.all(gateways.map(({ start }) => start()))
    const stored: string[] = []
    for (let round = 0; round < 20; round++) {
      const events = await gateway(round % 2).happen(sessions, 10)
      stored.push(...events.map(({ id }) => id))
    }
    for (const path of ['/loose', '/ordered']) {
      await until(`all at ${path}`, () => catcher.accepted(path).length === 200)
      expect(catcher.at(path)).toHaveLength(200)
    }
    expect(catcher.mostInFlight('/loose')).toBeLessThanOrEqual(3)
    for (const turn of [0, 1]) {
      const ofSession = new Set(stored.filter((_, index) => index % 2 === turn))
      expect(catcher.accepted('/ordered').filter((id) => ofSession.has(id))).toEqual([...ofSession])
    }
  })

  it('take a webhook over when the other one is gone, and not before', async () => {
    const webhook = await gateway(FIRST).make({ url: catcher.url('/held') })
    await gateway(FIRST).happen(sessions)
    await gateway(FIRST).deliver()
    // It dies here: its lease stays.
    await gateway(SECOND).happen(sessions)
    await gateway(SECOND).deliver()
    expect(catcher.at('/held')).toHaveLength(1)
    await db.write((tx) => tx.query('UPDATE webhooks SET lease_until = 1 WHERE id = ?', [webhook.id]))
    await gateway(SECOND).deliver()
    expect(catcher.accepted('/held')).toHaveLength(2)
  })
})
