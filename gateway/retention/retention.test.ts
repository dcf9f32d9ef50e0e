import { mkdir, readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { EntityManager } from 'typeorm'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Metrics } from '../../runtime/metrics.js'
import { newId } from '../../runtime/ids.js'
import { databases } from '../../test/databases.js'
import { startTestGateway, type TestGateway } from '../../test/gateway.js'
import { ANNA, API, type Talk, talkThrough } from '../../test/messages.js'
import { until } from '../../test/until.js'

const DAY = 86_400_000
const PNG = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=='

describe.each(databases())('what is old enough, on $name', (target) => {
  let test: TestGateway
  let talk: Talk
  let session: string
  let ahead = 0
  const metrics = new Metrics()

  beforeAll(async () => {
    test = await startTestGateway({ target, outside: { clock: () => Date.now() + ahead, metrics } })
    talk = talkThrough(test)
    session = await talk.linked()
  })
  afterAll(() => test.stop())

  const trim = () => test.gateway.trimOnce(Date.now() + ahead)
  const picture = async () => {
    const image = { base64: PNG, mimetype: 'image/png' }
    const { body } = await test.ask('POST', `${API}/sessions/${session}/messages`, { to: ANNA, type: 'image', image })
    return { id: body.id as string, media: body.image.id as string }
  }
  const get = (path: string) => test.ask('GET', `${API}${path}`)
  const reads = (id: string, status: string) =>
    until(`${id} is ${status}`, async () => (await get(`/messages/${id}`)).body.status === status)
  const files = async () => {
    const folder = join(test.config.dataDir, 'media')
    const names = await Promise.all((await readdir(folder)).map((name) => readdir(join(folder, name))))
    return names.flat()
  }

  it('goes: events, files of what was sent, files of nobody, and later the messages; what is not over stays', async () => {
    const sent = await picture()
    await reads(sent.id, 'delivered')
    const last = await picture()
    await reads(last.id, 'delivered')
    // The next one waits for its turn for longer than the test takes.
    await test.ask('PATCH', `${API}/sessions/${session}`, { pacing: { gapMs: 600_000, jitterMs: 0 } })
    const waiting = await picture()
    await until('the node has it', async () => (await get(`/messages/${waiting.id}`)).body.nextAction === 'send')
    const stray = newId('med')
    const folder = join(test.config.dataDir, 'media', stray.slice(-2))
    await mkdir(folder, { recursive: true })
    await writeFile(join(folder, stray), 'left behind')
    const first = (await get('/events?limit=1')).body
    expect(first.data).toHaveLength(1)
    expect(await files()).toEqual(expect.arrayContaining([sent.media, last.media, waiting.media, stray]))

    // Nothing is, yet.
    expect(await trim()).toEqual({ events: 0, messages: 0, media: 0, files: 0, audit: 0, usage: 0, bytes: 0 })
    expect((await get(`/events?cursor=${first.nextCursor}`)).body.data.length).toBeGreaterThan(5)

    ahead = 31 * DAY
    const [one, other] = await Promise.all([trim(), trim()])
    // Two at once: one has the turn.
    expect([one, other].filter((removed) => removed === undefined)).toHaveLength(1)
    expect(one ?? other).toMatchObject({ messages: 0, media: 2, files: 1 })
    expect((one ?? other)?.events).toBeGreaterThan(5)
    expect(await files()).toEqual([waiting.media])
    expect(await get(`/media/${sent.media}`)).toMatchObject({ status: 404 })
    expect(await get(`/messages/${sent.id}`)).toMatchObject({ status: 200, body: { status: 'delivered' } })

    // Whoever stood before what was removed is told; whoever begins anew, or stood after it, is not.
    expect(await get(`/events?cursor=${first.nextCursor}`)).toMatchObject({
      status: 410,
      body: { code: 'cursor_expired' },
    })
    const { body: fresh } = await get('/events')
    expect(fresh.data).toEqual([])
    const next = async () => (await get(`/events?cursor=${fresh.nextCursor}`)).body.data
    expect(await next()).toEqual([])
    await test.ask('POST', `${API}/sessions/${session}/stop`)
    await until('an event', async () => (await next()).length > 0)

    ahead = 366 * DAY
    expect(await trim()).toMatchObject({ messages: 2, media: 0 })
    expect(await get(`/messages/${sent.id}`)).toMatchObject({ status: 404 })
    expect(await get(`/messages/${waiting.id}`)).toMatchObject({ status: 200, body: { status: 'pending' } })
    expect(await files()).toEqual([waiting.media])
    const left = await test.gateway.db.read((reader) =>
      reader.query('SELECT COUNT(*) AS count FROM message_history WHERE message_id <> ?', [waiting.id]),
    )
    expect(Number(left[0].count)).toBe(0)
    expect(await metrics.text()).toContain('switchboard_retention_removed_total{kind="messages"} 2')
  })

  it('stays a week longer for a webhook that is to receive it, but not for one that is paused, and goes in many batches', async () => {
    const { db } = test.gateway
    await test.ask('POST', `${API}/sessions/${session}/start`)
    await until('events', async () => (await get('/events')).body.data.length > 0)
    const [row] = await db.read((reader) => reader.query('SELECT * FROM events ORDER BY place LIMIT 1'))
    await test.ask('POST', `${API}/sessions/${session}/stop`)
    const hook = { url: 'http://127.0.0.1:9/', events: ['call.received'] }
    const [enabled, paused] = await Promise.all([1, 2].map(() => test.ask('POST', `${API}/webhooks`, hook)))
    await test.ask('PATCH', `${API}/webhooks/${paused?.body.id}`, { status: 'paused' })
    const open = { event_type: 'call.received', session_id: null, status: 'pending', attempts: 1, due_at: null }
    const insert = (tx: EntityManager, into: string, values: Record<string, unknown>) => {
      const names = Object.keys(values)
      const sql = `INSERT INTO ${into} (${names.map((name) => `\`${name}\``).join(', ')}) VALUES (${names.map(() => '?').join(', ')})`
      return tx.query(sql, Object.values(values))
    }
    await db.write(async (tx) => {
      const { tenant_id, created_at } = row
      for (const [webhook, place] of [
        [paused, Number(row.place)],
        [enabled, Number(row.place) + 1_100],
      ] as const) {
        const ids = { id: newId('dlv'), tenant_id, webhook_id: webhook?.body.id, event_id: row.id }
        await insert(tx, 'deliveries', { ...ids, ...open, place, created_at, ended_at: null })
      }
      for (let at = 1; at <= 450; at++) {
        const blank = { sequence: null, node_id: null, epoch: null, position: null }
        await insert(tx, 'events', { ...row, ...blank, id: newId('evt'), place: Number(row.place) + 1_000 + at })
      }
    })
    const left = async () => {
      const places = await db.read((reader) => reader.query('SELECT place FROM events WHERE place >= ?', [row.place]))
      return places
        .map(({ place }: { place: number }) => Number(place) - Number(row.place))
        .sort((a: number, b: number) => a - b)
    }
    ahead = (366 + 35) * DAY
    await trim()
    expect((await left())[0]).toBe(1_100)
    ahead = (366 + 39) * DAY
    expect((await trim())?.events).toBeGreaterThanOrEqual(351)
    expect((await left()).length).toBeLessThan(5)
  })
})
