import { randomBytes } from 'node:crypto'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { databases, openDatabase } from '../../test/databases.js'
import type { Database } from '../db/database.js'
import { caller, createTestWebhooks } from './testing.js'

describe.each(databases())('a replay of more than an answer waits for, on $name', (target) => {
  let db: Database
  let hooks: ReturnType<typeof createTestWebhooks>
  const secret = randomBytes(32)
  const now = Date.parse('2026-11-22T12:00:00Z')
  const another = () => createTestWebhooks({ db, clock: () => now, secret })

  beforeEach(async () => {
    db = await openDatabase(target)
    hooks = another()
  })
  afterEach(async () => {
    await hooks.stop()
    await db.stop()
  })

  it('goes on by itself, by any gateway, and makes each delivery once', async () => {
    const session = await hooks.session('one')
    for (let some = 0; some < 6; some++) await hooks.happen([session], 450)
    const webhook = await hooks.make({ url: 'https://shop.example/', events: ['message.*'] })
    const begun = await hooks.replays.begin(webhook, { since: now - 1, succeeded: false })
    expect(begun).toMatchObject({ status: 'running', deliveries: 2_000 })
    await expect(hooks.replays.begin(webhook, { failed: true })).rejects.toMatchObject({ reason: 'replay_running' })
    // What happens now goes by itself.
    await hooks.happen([session], 2)

    const others = [another(), another()]
    await Promise.all(others.map(({ replays }) => replays.replayAll()))
    await hooks.replays.replayAll()
    expect(await hooks.replays.list(webhook)).toMatchObject([{ id: begun.id, status: 'done', deliveries: 2_700 }])
    const owed = await db.read((reader) => reader.query('SELECT COUNT(*) AS count FROM deliveries'))
    expect(Number(owed[0].count)).toBe(2_702)

    // One that is disabled meanwhile gets no more.
    await db.write((tx) => tx.query("UPDATE deliveries SET status = 'exhausted'"))
    expect(await hooks.replays.begin(webhook, { failed: true })).toMatchObject({ status: 'running', deliveries: 2_000 })
    const disable = "UPDATE webhooks SET status = 'disabled' WHERE id = ?"
    await db.write((tx) => tx.query(disable, [webhook.id]))
    await hooks.replays.replayAll()
    const [last] = await hooks.replays.list(await hooks.webhooks.get(caller, webhook.id))
    expect(last).toMatchObject({ since: null, status: 'cancelled', deliveries: 2_000 })
    await Promise.all(others.map((other) => other.stop()))
  })
})
