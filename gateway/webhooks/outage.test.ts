import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { SessionId } from '../../proto/contract.js'
import { databases, openDatabase } from '../../test/databases.js'
import { eventOf, WebhookCatcher } from '../../test/webhook-catcher.js'
import type { Database } from '../db/database.js'
import { caller, createTestWebhooks } from './testing.js'

const MINUTE = 60_000
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR

describe.each(databases())('a receiver that is away, on $name', (target) => {
  let db: Database
  let catcher: WebhookCatcher
  let now: number
  let hooks: ReturnType<typeof createTestWebhooks>
  let sessions: SessionId[]
  let down: boolean

  beforeEach(async () => {
    now = Date.parse('2026-11-22T12:00:00Z')
    catcher = new WebhookCatcher()
    catcher.reply = ({ path }) => (path !== '/well' && down ? 503 : 204)
    await catcher.start()
    db = await openDatabase(target)
    hooks = createTestWebhooks({ db, clock: () => now })
    sessions = [await hooks.session('one'), await hooks.session('two')]
    down = true
  })
  afterEach(async () => {
    await hooks.stop()
    await db.stop()
    await catcher.stop()
  })

  /** Lets time pass, in steps that are shorter than the longest rest of the breaker. */
  const pass = async (ms: number, stepMs = 20 * MINUTE) => {
    for (const end = now + ms; now < end;) {
      now = Math.min(end, now + stepMs)
      await hooks.deliver()
    }
  }
  const list = async (id: string, status?: 'pending' | 'succeeded' | 'exhausted') => {
    const rows = await hooks.deliveries.list(await hooks.webhooks.get(caller, id), { status, limit: 500 })
    return rows.map(({ delivery }) => delivery)
  }
  const ofSession = (path: string, session: SessionId) =>
    catcher
      .at(path)
      .filter(({ status }) => status === 204)
      .map(eventOf)
      .filter((event) => event.session?.id === session)
      .map(({ sequence }) => sequence)

  it('for three days gets everything afterwards, once, and in order when it wants that', async () => {
    const loose = await hooks.make({ url: catcher.url('/loose'), events: ['message.*'] })
    const ordered = await hooks.make({ url: catcher.url('/ordered'), events: ['message.*'], ordered: true })
    for (let day = 0; day < 3; day++) {
      await hooks.happen(sessions, 12)
      await hooks.deliver()
      await pass(DAY, 2 * HOUR)
    }
    expect(await list(loose.id, 'pending')).toHaveLength(36)
    const told = await hooks.metrics.text()
    expect(told).toContain('switchboard_deliveries_pending 72')
    expect(told).toContain(`switchboard_deliveries_oldest_pending_seconds ${(3 * DAY) / 1_000}`)
    expect(await list(ordered.id, 'pending')).toHaveLength(36)
    down = false
    // Whichever attempt comes first finds it back; the rest does not wait for its own time.
    const attempts = catcher.at('/loose').length
    while (catcher.at('/loose').length === attempts) await pass(20 * MINUTE)
    expect(await list(loose.id, 'succeeded')).toHaveLength(36)
    await pass(DAY, HOUR)
    for (const { id } of [loose, ordered]) expect(await list(id, 'succeeded')).toHaveLength(36)
    expect(catcher.accepted('/loose')).toHaveLength(36)
    expect(catcher.at('/loose').filter(({ status }) => status === 204)).toHaveLength(36)
    const inOrder = Array.from({ length: 18 }, (_, index) => index + 1)
    for (const session of sessions) expect(ofSession('/ordered', session)).toEqual(inOrder)
  })

  it('gets everything in order within a quarter of an hour of its return, and what stood first keeps its ten attempts', async () => {
    const webhook = await hooks.make({ url: catcher.url('/ordered'), events: ['message.*'], ordered: true })
    await hooks.happen(sessions, 12)
    await hooks.deliver()
    await pass(9 * HOUR, 5 * MINUTE)
    const heads = (await list(webhook.id)).slice(-2)
    // The last was after 7.6 hours, or by now 5 hours later; what was tried in between is not of these.
    expect(heads.map(({ attempts }) => attempts)).toEqual([6, 6])
    expect(heads.every(({ dueAt }) => (dueAt ?? 0) > now + 3 * HOUR)).toBe(true)
    expect(catcher.at('/ordered').length).toBeGreaterThan(12)
    down = false
    await pass(15 * MINUTE, 5 * MINUTE)
    expect(await list(webhook.id, 'succeeded')).toHaveLength(12)
    for (const session of sessions) expect(ofSession('/ordered', session)).toEqual([1, 2, 3, 4, 5, 6])
  })

  it('for ten minutes has everything soon, also when one session waits for a later attempt', async () => {
    const webhook = await hooks.make({ url: catcher.url('/ordered'), events: ['message.*'], ordered: true })
    await hooks.happen(sessions.slice(0, 1), 3)
    await hooks.deliver()
    await pass(10 * MINUTE, MINUTE)
    // The third attempt was after five minutes, the fourth is half an hour later.
    expect((await list(webhook.id)).at(-1)).toMatchObject({ attempts: 3 })
    down = false
    await pass(3 * MINUTE, MINUTE)
    expect(await list(webhook.id, 'succeeded')).toHaveLength(3)
  })

  it('is told of when it has failed for a while, not when it was restarted', async () => {
    await hooks.make({ url: catcher.url('/well'), events: ['webhook.*'] })
    const webhook = await hooks.make({ url: catcher.url('/down'), events: ['message.*'] })
    const status = async () => (await hooks.webhooks.get(caller, webhook.id)).status
    await hooks.happen(sessions, 12)
    await hooks.deliver()
    expect([catcher.at('/down').length >= 5, await status()]).toEqual([true, 'enabled'])
    now += 31_000
    await hooks.deliver()
    expect(await status()).toBe('failing')
    await hooks.deliver()
    expect(catcher.at('/well').map((caught) => eventOf(caught).type)).toEqual(['webhook.failing'])
  })

  it('gets ten attempts over 75 hours for an event, and then none', async () => {
    const webhook = await hooks.make({ url: catcher.url('/down'), events: ['message.*'] })
    const begun = now
    await hooks.happen(sessions)
    await hooks.deliver()
    const times: number[] = [0]
    for (let made = 1; made < 10; made++) {
      const [delivery] = await list(webhook.id)
      now = delivery?.dueAt ?? 0
      await hooks.deliver()
      times.push(now - begun)
    }
    expect(times.map((ms) => ms / 1_000)).toEqual([0, 5, 305, 2_105, 9_305, 27_305, 63_305, 113_705, 185_705, 272_105])
    expect(await list(webhook.id)).toMatchObject([{ status: 'exhausted', attempts: 10, dueAt: null }])
    expect(catcher.at('/down')).toHaveLength(10)
  })

  it('for five days is disabled; others are told, and what it missed can be replayed', async () => {
    const well = await hooks.make({ url: catcher.url('/well'), events: ['webhook.*'] })
    const webhook = await hooks.make({ url: catcher.url('/down'), events: ['*'], description: 'orders' })
    const since = now
    for (let day = 0; day < 6; day++) {
      await hooks.happen(sessions, 2)
      await hooks.deliver()
      await pass(DAY, 2 * HOUR)
    }
    expect(await hooks.webhooks.get(caller, webhook.id)).toMatchObject({ status: 'disabled', reason: 'failing' })
    expect(await list(webhook.id, 'pending')).toEqual([])
    const told = catcher.at('/well').map(eventOf)
    expect(told.map(({ type }) => type)).toEqual(['webhook.failing', 'webhook.disabled'])
    expect(told[1]).toMatchObject({ data: { webhook: { id: webhook.id, description: 'orders' }, reason: 'failing' } })
    expect(await list(well.id, 'succeeded')).toHaveLength(2)

    down = false
    await expect(
      hooks.replays.begin(await hooks.webhooks.get(caller, webhook.id), { failed: true }),
    ).rejects.toMatchObject({
      reason: 'webhook_disabled',
    })
    const enabled = await hooks.webhooks.change(caller, webhook.id, { status: 'enabled' })
    const all = { since, succeeded: false }
    expect(await hooks.replays.begin(enabled, all)).toMatchObject({ deliveries: 12, status: 'done' })
    await hooks.deliver()
    expect(catcher.accepted('/down')).toHaveLength(12)
    expect(await hooks.replays.begin(enabled, all)).toMatchObject({ deliveries: 0, status: 'done' })
    expect(await hooks.replays.begin(enabled, { ...all, succeeded: true })).toMatchObject({
      deliveries: 12,
      status: 'done',
    })
    await hooks.deliver()
    expect(catcher.accepted('/down')).toHaveLength(12)
    expect(catcher.at('/down').filter(({ status }) => status === 204)).toHaveLength(24)
  })

  it('for good has its backlog given up bit by bit, and none of it is left', async () => {
    const webhook = await hooks.make({ url: catcher.url('/gone'), events: ['message.*'], concurrency: 1 })
    catcher.reply = () => 410
    for (let some = 0; some < 3; some++) await hooks.happen(sessions, 400)
    await hooks.deliver()
    expect(await hooks.webhooks.get(caller, webhook.id)).toMatchObject({ status: 'disabled', reason: 'gone' })
    // In the transaction that disables it there is room for the first of them.
    expect(await list(webhook.id, 'pending')).not.toEqual([])
    await hooks.trimmer.trim()
    expect(await list(webhook.id, 'pending')).toEqual([])
    const counts = 'SELECT status, COUNT(*) AS count FROM deliveries GROUP BY status'
    const rows = await db.read((reader) => reader.query<{ status: string; count: number }[]>(counts))
    expect(rows.map(({ status, count }) => [status, Number(count)])).toEqual([['exhausted', 1_200]])
  })

  it('holds one session up by an event that it refuses, and no other one', async () => {
    down = false
    const [one, two] = sessions as [SessionId, SessionId]
    const [poison] = await hooks.happen([one])
    const webhook = await hooks.make({ url: catcher.url('/picky'), events: ['message.*'], ordered: true })
    const [refused] = await hooks.happen([one])
    catcher.reply = ({ id }) => (id === refused?.id ? 422 : 204)
    expect(poison?.sequence).toBe(1)
    await hooks.happen(sessions, 6)
    await hooks.deliver()
    expect(ofSession('/picky', two)).toEqual([1, 2, 3])
    expect(ofSession('/picky', one)).toEqual([])
    // Its ten attempts are over: the next goes.
    await pass(80 * HOUR, HOUR)
    expect(ofSession('/picky', one)).toEqual([3, 4, 5])
    expect((await list(webhook.id, 'exhausted')).map(({ eventId }) => eventId)).toEqual([refused?.id])
  })

  it('gets nothing while it is paused, and what came meanwhile when that is replayed', async () => {
    down = false
    const webhook = await hooks.make({ url: catcher.url('/paused'), events: ['message.*'] })
    const since = now
    await hooks.happen(sessions)
    await hooks.deliver()
    const paused = await hooks.webhooks.change(caller, webhook.id, { status: 'paused' })
    now += MINUTE
    await hooks.happen(sessions, 3)
    await hooks.replays.begin(paused, { since, succeeded: false })
    await hooks.deliver()
    expect(catcher.at('/paused')).toHaveLength(1)
    await hooks.webhooks.change(caller, webhook.id, { status: 'enabled' })
    await hooks.deliver()
    expect(catcher.accepted('/paused')).toHaveLength(4)
  })

  it('is forgotten with all its deliveries once it is deleted, and others keep theirs for their time', async () => {
    down = false
    const deleted = await hooks.make({ url: catcher.url('/deleted'), events: ['message.*'] })
    const kept = await hooks.make({ url: catcher.url('/kept'), events: ['message.*'] })
    await hooks.happen(sessions, 3)
    await hooks.deliver()
    await hooks.webhooks.delete(caller, deleted.id)
    await expect(hooks.webhooks.get(caller, deleted.id)).rejects.toMatchObject({ code: 'not_found' })
    await hooks.trimmer.trim()
    const left = () => db.read((reader) => reader.query<unknown[]>('SELECT id FROM deliveries'))
    expect([await left(), await list(kept.id)].map(({ length }) => length)).toEqual([3, 3])
    now += 7 * DAY + MINUTE
    await hooks.trimmer.trim()
    expect(await left()).toEqual([])
    expect(await db.read((reader) => reader.query<unknown[]>('SELECT id FROM delivery_attempts'))).toEqual([])
  })
})
