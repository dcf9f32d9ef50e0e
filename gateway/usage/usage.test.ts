import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Metric } from './usage.js'
import { databases } from '../../test/databases.js'
import { startTestGateway, type TestGateway } from '../../test/gateway.js'
import { ANNA, API, type Talk, talkThrough, text } from '../../test/messages.js'
import { until } from '../../test/until.js'
import { WebhookCatcher } from '../../test/webhook-catcher.js'
import { change } from '../db/statements.js'
import { DAY_MS, dayOf } from './usage.js'
import type { ShownUsage } from './usage-shapes.js'

const NOBODY = '+99900012345678'
const PNG = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=='
const image = { base64: PNG, mimetype: 'image/png' }
const BYTES = Buffer.from(PNG, 'base64').length
const none = { sent: 0, failed: 0, unknown: 0, received: 0, fromPhone: 0 }

describe.each(databases())('usage on $name', (target) => {
  let test: TestGateway
  let talk: Talk
  let shop: string
  const catcher = new WebhookCatcher()

  beforeAll(async () => {
    await catcher.start()
    test = await startTestGateway({ target, config: { deliverySchedule: [0, 20, 20] } })
    talk = talkThrough(test)
    shop = await talk.linked()
  })
  afterAll(async () => {
    await test.stop()
    await catcher.stop()
  })

  const today = dayOf(Date.now())
  const ask = async (query = '', key?: string) => {
    const { status, body } = await test.ask('GET', `${API}/usage?${query}`, undefined, key ? { key } : {})
    expect(status, JSON.stringify(body)).toBe(200)
    return body as { data: ShownUsage[]; nextCursor?: string }
  }
  const expected = {
    day: today,
    messages: { ...none, sent: 4, failed: 1, received: 2 },
    types: {
      text: { ...none, sent: 3, failed: 1, received: 1 },
      image: { ...none, sent: 1, received: 1 },
    },
    media: { bytesSent: BYTES, bytesReceived: BYTES },
    webhooks: { delivered: 1, failedAttempts: 3, exhausted: 1 },
  }
  const isAsExpected = async () => {
    const { data } = await ask('groupBy=day')
    const { connectedSeconds, ...rest } = data[0] ?? { connectedSeconds: 0 }
    expect(data).toHaveLength(1)
    expect(connectedSeconds).toBeGreaterThan(0)
    expect(rest).toEqual(expected)
  }
  const falsify = (metric: Metric, by: number) =>
    test.gateway.db.write(async (tx) => {
      const sql = 'UPDATE usage_counts SET amount = amount + ? WHERE metric = ? AND day = ?'
      expect(await change(tx, sql, [by, metric, today])).toBe(1)
    })

  it('is what was sent, failed, came in and was delivered, also over a restart of the gateway', async () => {
    // Three attempts at the first event, of which none succeeds, and one at each other.
    catcher.reply = ({ id }) => (id === catcher.caught[0]?.id ? 500 : 204)
    await test.ask('POST', `${API}/webhooks`, { url: catcher.url(), events: ['message.received'] })
    for (const message of [text('one'), text('two'), { to: ANNA, type: 'image', image }]) {
      const { body } = await talk.send(shop, message)
      await talk.reaches(body.id as string, 'delivered')
    }
    await talk.receive(shop, { from: ANNA, type: 'text', text: { body: 'hello' } })
    const { body: refused } = await talk.send(shop, text('nobody there', { to: NOBODY }))
    await talk.reaches(refused.id as string, 'failed')
    await until('the first delivery is given up', () => catcher.caught.length === 3)

    await test.restart()
    await talk.receive(shop, { from: ANNA, type: 'image', image })
    const { body: last } = await talk.send(shop, text('three'))
    await talk.reaches(last.id as string, 'delivered')
    await until('the second event is delivered', () => catcher.caught.length === 4)
    await until('all is counted', async () => (await ask()).data[0]?.webhooks.delivered === 1)
    await until('time is counted', async () => ((await ask()).data[0]?.connectedSeconds ?? 0) > 0)
    await isAsExpected()
  })

  it('is found to be right by the recount, which corrects what was made wrong', async () => {
    const tomorrow = Date.now() + DAY_MS + 3_600_000
    const recount = async () => {
      await test.gateway.db.write((tx) => change(tx, "DELETE FROM counters WHERE name = 'usage_turn'", []))
      await test.gateway.db.write((tx) => change(tx, 'DELETE FROM usage_days', []))
      const days = await test.gateway.recountUsage(tomorrow)
      return days?.flatMap(({ corrections }) => corrections.map(({ metric, amount }) => [metric, amount]))
    }
    expect(await recount()).toEqual([])
    // Once a day, by one gateway.
    expect(await test.gateway.recountUsage(tomorrow)).toBeUndefined()

    await falsify('out.text.sent', 5)
    await falsify('in.image', -1)
    await falsify('bytes.out', 1_000)
    await falsify('attempts.failed', -2)
    expect((await recount())?.toSorted()).toEqual([
      ['attempts.failed', 2],
      ['bytes.out', -1_000],
      ['in.image', 1],
      ['out.text.sent', -5],
    ])
    await isAsExpected()
    expect(await recount()).toEqual([])
  })
})
