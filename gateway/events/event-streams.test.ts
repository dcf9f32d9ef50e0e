import { connect } from 'node:net'
import { once } from 'node:events'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { SessionId, TenantId } from '../../proto/contract.js'
import { newId } from '../../runtime/ids.js'
import { databases } from '../../test/databases.js'
import { openEventSocket, readEventStream } from '../../test/event-streams.js'
import { ADMIN_KEY, startTestGateway, type TestGateway } from '../../test/gateway.js'
import { until } from '../../test/until.js'
import { Secrets } from '../tenants/secrets.js'
import { DEFAULT_TENANT } from '../tenants/tenant.js'
import { ApiKeyRepository } from '../tenants/api-key-repository.js'
import { apiKeyTable } from '../tenants/api-key-table.js'
import { ApiKeys, type NewApiKey } from '../tenants/api-keys.js'
import { silentLog } from '../../runtime/log.js'
import { EventRepository } from './event-repository.js'
import type { NewEvent } from './event.js'
import { SealedData } from './sealed-data.js'

const API = '/api/v1'
const OTHER: TenantId = 'ten_0000000000000000000000000b'

describe.each(databases())('events of a gateway on $name', (target) => {
  let test: TestGateway
  let keys: ApiKeys
  let repository: EventRepository
  let url: string
  const shop: SessionId = newId('ses')
  const desk: SessionId = newId('ses')
  const foreign: SessionId = newId('ses')
  let count = 0

  beforeAll(async () => {
    test = await startTestGateway({ target, nodes: 0 })
    url = `${test.gateway.localUrl()}${API}/events`
    const { db } = test.gateway
    const secrets = new Secrets({ secretKey: test.config.secretKey, dataDir: test.config.dataDir })
    await secrets.start()
    repository = new EventRepository(db, { sealing: new SealedData(() => secrets.key('events')) })
    const pepper = () => secrets.key('api-keys')
    keys = new ApiKeys({ db, repository: new ApiKeyRepository(db), pepper, clock: Date.now, log: silentLog() })
    await db.write(async (tx) => {
      const tenant = { id: OTHER, name: 'other', status: 'active', limits: '{}', created_at: new Date() }
      await insert(tx, 'tenants', tenant)
      await insert(tx, 'sessions', sessionRow(shop, DEFAULT_TENANT, 'shop'))
      await insert(tx, 'sessions', sessionRow(desk, DEFAULT_TENANT, 'desk'))
      await insert(tx, 'sessions', sessionRow(foreign, OTHER, 'shop'))
    })
  })
  afterAll(() => test.stop())

  const store = (...events: NewEvent[]) => test.gateway.db.write((tx) => repository.add(tx, events, Date.now()))
  const status = (sessionId: SessionId, tenantId: TenantId = DEFAULT_TENANT): NewEvent => {
    const data = { status: 'delivered', waMessageId: `W${++count}` } as const
    return { id: newId('evt'), tenantId, sessionId, type: 'message.delivered', data, at: Date.now() }
  }
  const edited = (sessionId: SessionId, body: string): NewEvent => ({
    ...{ id: newId('evt'), tenantId: DEFAULT_TENANT, sessionId, type: 'message.edited', at: Date.now() },
    data: { chatId: '49151@c.us', waMessageId: `W${++count}`, body },
  })
  const failing = (tenantId: TenantId): NewEvent => ({
    ...{ id: newId('evt'), tenantId, type: 'webhook.failing', at: Date.now() },
    data: { webhook: { id: newId('whk'), host: 'example.com' }, since: new Date().toISOString() },
  })
  const keyFor = async (wanted: Partial<NewApiKey> = {}) =>
    keys.issue({ tenantId: DEFAULT_TENANT, name: newId('key'), scopes: ['events:read'], ...wanted })
  const list = async (query: string, key = ADMIN_KEY) =>
    (await test.ask('GET', `${API}/events?${query}`, undefined, { key })).body
  const idsOf = (data: { id: string }[]) => data.map(({ id }) => id)
  const waMessageIds = (events: { data?: { data: { waMessageId?: string } } }[]) =>
    events.flatMap(({ data }) => data?.data.waMessageId ?? [])

  it('are a list from any cursor or time on, by type and session, also of what no session is about', async () => {
    const before = await list('')
    const [first, second] = await store(status(shop), failing(DEFAULT_TENANT))
    await new Promise((resolve) => setTimeout(resolve, 5))
    const since = new Date().toISOString()
    const [third, fourth] = await store(edited(desk, 'CANARY-TEXT'), status(shop))
    const page = await list(`cursor=${before.nextCursor}`)
    expect(idsOf(page.data)).toEqual([first, second, third, fourth].map((event) => event?.id))
    expect(page.data[1]).not.toHaveProperty('session')
    expect(page.data[1]).not.toHaveProperty('sequence')
    expect(page.data[2]).toMatchObject({ session: { id: desk, name: 'desk', phone: '+4915100000000' }, sequence: 1 })
    expect(page.data[2].data.body).toBe('CANARY-TEXT')
    expect(idsOf((await list(`since=${since}`)).data)).toEqual([third?.id, fourth?.id])
    expect(idsOf((await list(`cursor=${before.nextCursor}&type=message.edited,webhook.failing`)).data)).toEqual([
      second?.id,
      third?.id,
    ])
    expect(idsOf((await list(`cursor=${before.nextCursor}&session=desk`)).data)).toEqual([third?.id])
    // What was passed over need not be looked at again.
    expect((await list(`cursor=${before.nextCursor}&type=call.received`)).nextCursor).toBe(page.nextCursor)
    const rows = await test.gateway.db.read((reader) => reader.query('SELECT body FROM events'))
    expect(JSON.stringify(rows)).not.toContain('CANARY')
    for (const [query, code] of [
      ['since=yesterday', 'invalid_request'],
      ['cursor=x', 'invalid_cursor'],
    ]) {
      expect(await list(query as string)).toMatchObject({ status: 400, code })
    }
    const ahead = Buffer.from('[999999999]').toString('base64url')
    expect(await list(`cursor=${ahead}`)).toMatchObject({ status: 410, code: 'cursor_expired' })
  })

  it('come as they happen, from now on or from the last one seen, by type and session', async () => {
    const { text: key } = await keyFor()
    await store(status(shop))
    const all = await readEventStream(`${url}/stream`, { key })
    const some = await readEventStream(`${url}/stream?type=message.edited&session=shop`, { key })
    await store(status(shop), edited(shop, 'one'), edited(desk, 'two'))
    await until('what was wanted', () => all.events.length === 4 && some.events.length === 2)
    expect(some.events[1]).toMatchObject({
      event: 'message.edited',
      data: { type: 'message.edited', data: { body: 'one' } },
    })
    expect(all.events.map(({ event }) => event)).toEqual([
      undefined,
      'message.delivered',
      'message.edited',
      'message.edited',
    ])
    const [{ id: begun }, { id: first }] = all.events as [{ id: string }, { id: string }]
    all.close()
    some.close()
    const missed = await store(...Array.from({ length: 700 }, () => status(shop)))
    const again = await readEventStream(`${url}/stream`, { key, lastId: first })
    const fromQuery = await readEventStream(`${url}/stream?lastEventId=${begun}&type=message.edited`, { key })
    await store(status(desk))
    await until('everything missed and the newest', () => again.events.length === 1 + 2 + 700 + 1)
    expect(waMessageIds(again.events).slice(2, -1)).toEqual(missed.map(({ data }) => data['waMessageId']))
    await until('both edits', () => fromQuery.events.length === 3)
    again.close()
    fromQuery.close()
    expect((await readEventStream(`${url}/stream?cursor=x`, { key })).status).toBe(400)
    expect(
      (await readEventStream(`${url}/stream`, { key, lastId: Buffer.from('[999999999]').toString('base64url') }))
        .status,
    ).toBe(410)
    expect((await readEventStream(`${url}/stream?session=nowhere`, { key })).status).toBe(404)
    const { text: blind } = await keyFor({ scopes: ['messages:read'] })
    expect((await readEventStream(`${url}/stream`, { key: blind })).status).toBe(403)
  })

  it('come over a WebSocket too, with the key in a header or in the first message', async () => {
    const { text: key } = await keyFor()
    const headed = await openEventSocket(`${url}/stream`, { header: key })
    const browser = await openEventSocket(`${url}/stream?type=message.edited`, { message: key })
    await until('both have begun', () => headed.messages.length === 1 && browser.messages.length === 1)
    const [plain, text] = await store(status(shop), edited(shop, 'three'))
    await until('all came', () => headed.messages.length === 3 && browser.messages.length === 2)
    expect(headed.messages[1].event).toMatchObject({ id: plain?.id, type: 'message.delivered' })
    expect(browser.messages[1].event).toMatchObject({ id: text?.id, data: { body: 'three' } })
    headed.socket.close()
    const again = await openEventSocket(`${url}/stream?cursor=${headed.messages[1].cursor}`, { header: key })
    await until('what it missed', () => again.messages.length === 2)
    expect(again.messages[1].event.id).toBe(text?.id)
    again.socket.close()
    browser.socket.close()

    const stranger = await openEventSocket(`${url}/stream`, { message: 'swb_nothing' })
    expect(await stranger.closed).toMatchObject({ code: 4401, reason: 'api_key_malformed' })
    const mumbler = await openEventSocket(`${url}/stream`, undefined)
    mumbler.socket.send('hello')
    expect(await mumbler.closed).toMatchObject({ code: 4401, reason: 'api_key_missing' })
    await expect(openEventSocket(`${url}/stream`, { header: 'swb_nothing' })).rejects.toThrow('401')
    await expect(openEventSocket(`${url}/stream?type=nothing`, { header: key })).rejects.toThrow('400')
    await expect(openEventSocket(`${test.gateway.localUrl()}${API}/sessions`, undefined)).rejects.toThrow('401')
  })

  it('are seen by their tenant only, and by keys of their session', async () => {
    const mine = await keyFor({ sessions: [shop] })
    const theirs = await keyFor({ tenantId: OTHER, scopes: ['admin'] })
    const readers = await Promise.all([mine, theirs].map(({ text }) => readEventStream(`${url}/stream`, { key: text })))
    const sockets = await Promise.all(
      [mine, theirs].map(({ text }) => openEventSocket(`${url}/stream`, { header: text })),
    )
    const { nextCursor } = await list(`since=${new Date().toISOString()}`)
    const [inShop, , , abroad, ofOther] = await store(
      status(shop),
      status(desk),
      failing(DEFAULT_TENANT),
      status(foreign, OTHER),
      failing(OTHER),
    )
    const expected = [[inShop?.id], [abroad?.id, ofOther?.id]]
    await until('all came', () => readers.every(({ events }, at) => events.length === 1 + (expected[at]?.length ?? 0)))
    await until('all came', () =>
      sockets.every(({ messages }, at) => messages.length === 1 + (expected[at]?.length ?? 0)),
    )
    for (const [at, { text }] of [mine, theirs].entries()) {
      expect(readers[at]?.events.slice(1).map(({ data }) => data.id)).toEqual(expected[at])
      expect(sockets[at]?.messages.slice(1).map(({ event }) => event.id)).toEqual(expected[at])
      expect(idsOf((await list(`cursor=${nextCursor}`, text)).data)).toEqual(expected[at])
    }
    for (const reader of readers) reader.close()
    for (const { socket } of sockets) socket.close()
    expect(await list('session=desk', mine.text)).toMatchObject({ status: 404 })
  })

  it('end within five seconds of the end of their key', async () => {
    const revoked = await keyFor()
    const expiring = await keyFor({ expiresAt: new Date(Date.now() + 1_500) })
    const stream = await readEventStream(`${url}/stream`, { key: revoked.text })
    const socket = await openEventSocket(`${url}/stream`, { header: revoked.text })
    const short = await readEventStream(`${url}/stream`, { key: expiring.text })
    const at = performance.now()
    await test.gateway.db.write((tx) => tx.update(apiKeyTable, { id: revoked.key.id }, { revokedAt: new Date() }))
    expect(await socket.closed).toMatchObject({ code: 4401 })
    await stream.ended
    await short.ended
    expect(performance.now() - at).toBeLessThan(5_000)
  })

  it('are given to so many streams of a key, and to no more until one of them ends', async () => {
    const { text: key } = await keyFor()
    const open = () => readEventStream(`${url}/stream`, { key })
    const streams = await Promise.all(Array.from({ length: 20 }, open))
    expect((await open()).status).toBe(429)
    await expect(openEventSocket(`${url}/stream`, { header: key })).rejects.toThrow('429')
    streams[0]?.close()
    await until('there is room again', async () => {
      const stream = await open()
      stream.close()
      return stream.status === 200
    })
    for (const stream of streams) stream.close()
  })

  it('are waited for by twenty sockets of an address that have not said their key, and by no more until one does', async () => {
    const { text: key } = await keyFor()
    const open = () => openEventSocket(`${url}/stream`, undefined)
    const silent = await Promise.all(Array.from({ length: 20 }, open))
    await expect(open()).rejects.toThrow('429')
    silent[0]?.socket.send(JSON.stringify({ key }))
    await until('its stream has begun', () => silent[0]?.messages.length === 1)
    silent.push(await open())
    for (const { socket } of silent) socket.terminate()
    await until('they are forgotten', () =>
      open().then(
        ({ socket }) => (socket.terminate(), true),
        () => false,
      ),
    )
  })

  it('do not keep clients from the API that offer another protocol with every request', async () => {
    const socket = connect(Number(new URL(url).port), '127.0.0.1')
    const body = JSON.stringify({ name: 'nowhere-to-go', engine: 'sandbox' })
    const head = (more: string) =>
      `Host: x\r\nX-API-Key: ${ADMIN_KEY}\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAM\r\n${more}\r\n`
    socket.write(
      `POST ${API}/sessions HTTP/1.1\r\n${head(`Content-Type: application/json\r\nContent-Length: ${body.length}\r\n`)}${body}`,
    )
    const [refused] = (await once(socket, 'data')) as [Buffer]
    expect(refused.toString()).toMatch(/^HTTP\/1.1 503 .*no_node_available/s)
    socket.write(`GET ${API}/events?limit=1 HTTP/1.1\r\n${head('')}`)
    const [listed] = (await once(socket, 'data')) as [Buffer]
    expect(listed.toString()).toMatch(/^HTTP\/1.1 200 /)
    socket.destroy()
  })
})

function sessionRow(id: SessionId, tenantId: TenantId, name: string) {
  const blank = { reason: null, detail: null, lid: null, push_name: null, sandbox: null, metadata: null }
  const now = new Date()
  return {
    ...{ id, tenant_id: tenantId, name, live_name: name, engine: 'sandbox', node_id: '', wanted: 'stopped', ...blank },
    ...{ status: 'stopped', phone: '4915100000000', pacing: '{}', changed_at: now, created_at: now },
  }
}

async function insert(tx: { query: (sql: string, values: unknown[]) => Promise<unknown> }, into: string, row: object) {
  const names = Object.keys(row)
  const marks = names.map(() => '?').join(', ')
  const values = Object.values(row).map((value) =>
    value instanceof Date ? value.toISOString().replace('T', ' ').replace('Z', '') : value,
  )
  await tx.query(`INSERT INTO ${into} (${names.join(', ')}) VALUES (${marks})`, values)
}
