import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { SessionId, TenantId } from '../../proto/contract.js'
import { databases } from '../../test/databases.js'
import { startTestGateway, type TestGateway } from '../../test/gateway.js'
import { ANNA, API, type Talk, talkThrough, text } from '../../test/messages.js'
import { until } from '../../test/until.js'
import { WebhookCatcher } from '../../test/webhook-catcher.js'
import { change } from '../db/statements.js'
import { DEFAULT_TENANT } from '../tenants/tenant.js'
import { DAY_MS, dayOf, type Metric, UsageSum } from './usage.js'
import { csvCell } from './usage-csv.js'
import { UsageRepository } from './usage-repository.js'
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

  it('is told by day, month and session, in pages and as a table', async () => {
    const other = await talk.linked()
    const { body: session } = await test.ask('GET', `${API}/sessions/${other}`)
    const day = dayOf(Date.parse(`${today}T00:00:00Z`) - 40 * DAY_MS)
    const month = day.slice(0, 7)
    const sum = new UsageSum()
    const same = { tenantId: DEFAULT_TENANT, sessionId: session.id as SessionId, day }
    sum.add({ ...same, metric: 'out.poll.unknown', amount: 2 })
    sum.add({ ...same, metric: 'phone.text', amount: 3 })
    sum.add({ ...same, sessionId: null, metric: 'deliveries.succeeded', amount: 7 })
    const { body: acme } = await test.ask('POST', `${API}/tenants`, { name: 'acme' })
    sum.add({ ...same, tenantId: acme.id as TenantId, sessionId: null, metric: 'attempts.failed', amount: 9 })
    await test.gateway.db.write((tx) => new UsageRepository(test.gateway.db).add(tx, sum.counts()))
    const found = { ...none, unknown: 2, fromPhone: 3 }
    const delivered = { delivered: 7, failedAttempts: 0, exhausted: 0 }

    const range = `from=${day}`
    expect((await ask(range)).data.map((usage) => [usage.day, usage.messages])).toEqual([
      [day, found],
      [today, expected.messages],
    ])
    const months = (await ask(`${range}&groupBy=month`)).data
    expect(months[0]).toMatchObject({ month, messages: found, webhooks: delivered })

    const first = await ask(`${range}&groupBy=day,session&limit=2`)
    const rest = await ask(`${range}&groupBy=day,session&limit=2&cursor=${first.nextCursor}`)
    expect(rest.nextCursor).toBeUndefined()
    const names = [...first.data, ...rest.data].map((usage) => [usage.day, usage.session?.name])
    expect(names).toEqual([[day, undefined], [day, other], ...names.slice(2)])
    expect(names.slice(2)).toContainEqual([today, shop])

    // A key for one session knows of no other, and of nothing that concerns the tenant as a whole.
    const limited = await test.gateway.issueKey({ name: 'x', scopes: ['messages:read'], sessions: [session.id] })
    expect((await ask(range, limited)).data).toMatchObject([{ day, messages: found, webhooks: { delivered: 0 } }])
    const asked = (query: string, key?: string) =>
      test.ask('GET', `${API}/usage?${query}`, undefined, key ? { key } : {})
    expect(await asked(`session=${shop}`, limited)).toMatchObject({ status: 404, body: { code: 'session_not_found' } })
    expect(await asked('tenant=*', limited)).toMatchObject({ status: 403, body: { code: 'scope_missing' } })
    const theirs = await test.gateway.issueKey({ name: 'y', scopes: ['messages:read'], tenantId: acme.id })
    const failed = { webhooks: { failedAttempts: 9 }, messages: none }
    expect((await ask(range, theirs)).data).toMatchObject([failed])
    expect(await asked(`session=${session.id}`, theirs)).toMatchObject({ status: 404 })
    expect((await ask(`${range}&tenant=acme`)).data).toMatchObject([failed])
    const everyone = (await ask(`${range}&tenant=*&groupBy=session`)).data
    expect(everyone.find(({ tenant }) => tenant === acme.id)).toMatchObject(failed)
    expect(everyone).toHaveLength(4)

    for (const query of ['from=2026-02-30', 'from=2026-02-02&to=2026-02-01', 'from=2020-01-01', 'groupBy=year']) {
      expect(await asked(query), query).toMatchObject({ status: 400, body: { code: 'invalid_request' } })
    }
    const strange = Buffer.from(JSON.stringify([acme.id, 'ü', 'ü'])).toString('base64url')
    for (const cursor of ['nonsense', strange]) {
      expect(await asked(`cursor=${cursor}`)).toMatchObject({ status: 400, body: { code: 'invalid_cursor' } })
    }
    expect(await asked(`session=ses_${encodeURIComponent('ü')}`)).toMatchObject({ status: 404 })

    const csv = await test.fetch(`${API}/usage?${range}&groupBy=day,session&limit=1`, {
      headers: { accept: 'text/csv' },
    })
    expect(csv.headers.get('content-type')).toBe('text/csv; charset=utf-8')
    expect(csv.headers.get('content-disposition')).toBe(`attachment; filename="usage-${day}-${today}.csv"`)
    const [head = [], ...lines] = strictCsv(await csv.text())
    const table = lines.map((cells) => Object.fromEntries(cells.map((cell, index) => [head[index], cell])))
    expect(table).toHaveLength(names.length)
    expect(table[1]).toMatchObject({
      period: day,
      session: session.id,
      session_name: other,
      unknown: '2',
      from_phone: '3',
    })
    expect(table[1]).toMatchObject({ poll_unknown: '2', text_from_phone: '3', text_sent: '0', delivered: '0' })
    expect(table.find(({ session_name: name }) => name === shop)).toMatchObject({ sent: '4', image_sent: '1' })
  })
})

it('makes no formula of a text in a table', () => {
  expect(['=1+1', '+1', '-1', '@a', '\t=1', 'a,"b"\r\n', 'shop'].map(csvCell)).toEqual([
    ...["'=1+1", "'+1", "'-1", "'@a", "'\t=1", '"a,""b""\r\n"', 'shop'],
  ])
  expect([csvCell(-1), csvCell(undefined)]).toEqual(['-1', ''])
})

/** By RFC 4180 and no more: lines of equal length, each ended by CRLF. */
function strictCsv(text: string): string[][] {
  const field = /(?:"((?:[^"]|"")*)"|([^",\r\n]*))(,|\r\n)/y
  const lines: string[][] = [[]]
  while (field.lastIndex < text.length) {
    const at = field.lastIndex
    const [, quoted, plain = '', end] = field.exec(text) ?? []
    if (end === undefined) throw new Error(`Not CSV at ${at}: ${text.slice(at, at + 40)}`)
    lines.at(-1)?.push(quoted?.replaceAll('""', '"') ?? plain)
    if (end !== ',') lines.push([])
  }
  if (lines.pop()?.length !== 0) throw new Error('The last line is not ended')
  if (new Set(lines.map(({ length }) => length)).size !== 1) throw new Error('Lines of different lengths')
  return lines
}
