import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { databases } from '../../test/databases.js'
import { startTestGateway, type TestGateway } from '../../test/gateway.js'
import { until } from '../../test/until.js'
import { tables } from '../tables.js'

const API = '/api/v1'
const PNG = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=='
const everything = [
  ...['sessions:read', 'sessions:write', 'messages:read', 'messages:send'],
  ...['webhooks:read', 'webhooks:write', 'events:read'],
]

describe.each(databases())('/api/v1/tenants and /api/v1/api-keys on $name', (target) => {
  let test: TestGateway
  let ahead = 0
  beforeAll(async () => {
    test = await startTestGateway({ target, outside: { everyMs: 100, clock: () => Date.now() + ahead } })
  })
  afterAll(() => test.stop())

  const admin = (method: string, path: string, body?: unknown, headers: Record<string, string> = {}) =>
    test.ask(method, API + path, body, { headers })
  const as = (key: string, method: string, path: string, body?: unknown) => test.ask(method, API + path, body, { key })

  async function tenant(name: string, limits = {}) {
    const { status, body } = await admin('POST', '/tenants', { name, limits })
    expect(status).toBe(201)
    const made = await admin('POST', '/api-keys', { name: 'all', tenant: name, scopes: everything })
    expect(made.status).toBe(201)
    return { id: body.id as string, key: made.body.key as string, keyId: made.body.id as string }
  }

  async function session(key: string, name: string) {
    const sandbox = { phone: '+491511234567', autoPair: true }
    const { body } = await as(key, 'POST', '/sessions', { name, engine: 'sandbox', sandbox })
    await until('it is connected', async () => (await as(key, 'GET', `/sessions/${name}`)).body.status === 'connected')
    return body.id as string
  }

  it('makes tenants with limits, renames them, and keeps their names apart', async () => {
    const made = await admin('POST', '/tenants', { name: 'first', limits: { sessions: 2, webhooks: null } })
    expect(made).toMatchObject({ status: 201, body: { name: 'first', status: 'active' } })
    expect(made.body.limits).toEqual({
      ...{ sessions: 2, messagesPerDay: 10_000, requestsPerMinute: 600, mediaBytes: 5 * 2 ** 30, webhooks: null },
    })
    expect((await admin('POST', '/tenants', { name: 'first' })).body.code).toBe('tenant_exists')
    expect((await admin('POST', '/tenants', { name: 'Not A Name' })).body.code).toBe('invalid_request')
    const renamed = await admin('PATCH', '/tenants/first', { name: 'renamed', limits: { sessions: 3 } })
    expect(renamed.body).toMatchObject({ id: made.body.id, name: 'renamed', limits: { sessions: 3, webhooks: null } })
    expect((await admin('GET', `/tenants/${made.body.id}`)).body).toEqual(renamed.body)
    expect((await admin('GET', '/tenants/first')).body.code).toBe('tenant_unknown')
    const { body: listed } = await admin('GET', '/tenants')
    expect(listed.data.map(({ name }: { name: string }) => name)).toEqual(['default', 'renamed'])
    expect(listed.data[0].limits.sessions).toBeNull()
    for (const [method, path] of [
      ['POST', '/tenants/default/suspend'],
      ['DELETE', '/tenants/default?confirm=default'],
    ] as const) {
      expect((await admin(method, path)).body.code).toBe('tenant_default')
    }
    expect((await admin('PATCH', '/tenants/default', { name: 'mine' })).body.code).toBe('tenant_default')
  })

  it('gives keys that do what they are for, tells their text once, rotates and revokes them', async () => {
    const { id } = await tenant('keys')
    const wanted = { name: 'shop', tenant: 'keys', scopes: ['sessions:read'], cidrs: ['127.0.0.1', '2001:DB8::/32'] }
    const again = { 'Idempotency-Key': 'the-same' }
    const [made, repeated] = [
      await admin('POST', '/api-keys', wanted, again),
      await admin('POST', '/api-keys', wanted, again),
    ]
    expect(repeated.body).toEqual(made.body)
    expect(made.body).toMatchObject({ tenant: { id, name: 'keys' }, cidrs: ['127.0.0.1/32', '2001:db8::/32'] })
    const first = made.body.key as string
    expect(first).toMatch(/^swb_/)
    const path = `/api-keys/${made.body.id}`
    expect(JSON.stringify((await admin('GET', path)).body)).not.toContain(first.slice(17))
    expect((await as(first, 'GET', '/sessions')).status).toBe(200)
    expect((await as(first, 'POST', '/sessions', {})).body.code).toBe('scope_missing')
    expect((await as(first, 'GET', '/api-keys')).body.code).toBe('scope_missing')

    const second = (await admin('POST', `${path}/rotate`)).body.key as string
    expect((await admin('GET', path)).body).toHaveProperty('rotatedUntil')
    for (const key of [first, second]) expect((await as(key, 'GET', '/sessions')).status).toBe(200)
    const third = (await admin('POST', `${path}/rotate`, { overlapSeconds: 0 })).body.key as string
    expect((await as(first, 'GET', '/sessions')).body.code).toBe('api_key_unknown')
    expect((await as(second, 'GET', '/sessions')).body.code).toBe('api_key_expired')
    expect((await as(third, 'GET', '/sessions')).status).toBe(200)
    expect((await admin('DELETE', path)).status).toBe(204)
    expect((await as(third, 'GET', '/sessions')).body.code).toBe('api_key_unknown')
    expect((await admin('GET', path)).body.code).toBe('api_key_not_found')

    const refused: [body: object, code: string][] = [
      [{ ...wanted, scopes: ['admin'] }, 'admin_not_allowed'],
      [{ ...wanted, tenant: 'default', scopes: ['admin'], sessions: ['x'] }, 'admin_not_allowed'],
      [{ ...wanted, tenant: 'nobody' }, 'tenant_unknown'],
      [{ ...wanted, sessions: ['not-there'] }, 'session_not_found'],
      [{ ...wanted, cidrs: ['10.0.0.0/33'] }, 'invalid_request'],
      [{ ...wanted, expiresAt: '2020-01-01T00:00:00Z' }, 'invalid_request'],
      [{ ...wanted, scopes: ['everything'] }, 'invalid_request'],
    ]
    for (const [body, code] of refused) expect((await admin('POST', '/api-keys', body)).body.code).toBe(code)
    const { body: all } = await admin('GET', '/api-keys')
    const set = (all.data as { id: string; name: string }[]).find(({ name }) => name === 'admin')
    expect((await admin('DELETE', `/api-keys/${set?.id}`)).body.code).toBe('api_key_is_set')
  })

  it('lets an admin act for another tenant, and nobody else', async () => {
    const { key } = await tenant('acted-for')
    const other = await tenant('somebody')
    const made = await admin(
      'POST',
      '/sessions',
      { name: 'theirs', engine: 'sandbox', start: false },
      { 'X-Tenant': 'acted-for' },
    )
    expect(made.status).toBe(201)
    expect((await as(key, 'GET', '/sessions/theirs')).body.id).toBe(made.body.id)
    expect((await admin('GET', '/sessions/theirs')).status).toBe(404)
    expect((await as(other.key, 'GET', `/sessions/${made.body.id}`)).status).toBe(404)
    expect((await admin('GET', '/sessions', undefined, { 'X-Tenant': 'nobody' })).body.code).toBe('tenant_unknown')
    const tried = await test.ask('GET', `${API}/sessions`, undefined, { key, headers: { 'X-Tenant': 'somebody' } })
    expect(tried).toMatchObject({ status: 403, body: { code: 'scope_missing' } })
    const { body: listed } = await admin('GET', '/api-keys?tenant=somebody')
    expect(listed.data.map(({ id }: { id: string }) => id)).toEqual([other.keyId])
  })

  it('holds exactly as many sessions and webhooks as a tenant may have, asked for at once', async () => {
    const { key } = await tenant('limited', { sessions: 3, webhooks: 2, requestsPerMinute: null })
    const made = await Promise.all(
      Array.from({ length: 12 }, (_, n) =>
        as(key, 'POST', '/sessions', { name: `s${n}`, engine: 'sandbox', start: false }),
      ),
    )
    const hooks = await Promise.all(
      Array.from({ length: 12 }, () => as(key, 'POST', '/webhooks', { url: 'http://127.0.0.1:9/' })),
    )
    const codes = (answers: { status: number; body: { code?: string } }[]) =>
      answers.map(({ status, body }) => body.code ?? status).toSorted()
    expect(codes(made)).toEqual([201, 201, 201, ...Array<string>(9).fill('session_limit_reached')])
    expect(codes(hooks)).toEqual([201, 201, ...Array<string>(10).fill('webhook_limit_reached')])
    await as(key, 'DELETE', `/sessions/${made.find(({ status }) => status === 201)?.body.id}`)
    expect((await as(key, 'POST', '/sessions', { name: 'next', engine: 'sandbox', start: false })).status).toBe(201)
  })

  it('keeps what a suspended tenant has waiting, refuses its keys, and sends when it is resumed', async () => {
    const { key } = await tenant('paused')
    await session(key, 'main')
    expect((await admin('POST', '/tenants/paused/suspend')).body.status).toBe('suspended')
    for (const [method, path] of [
      ['GET', '/sessions'],
      ['POST', '/sessions/main/messages'],
    ] as const) {
      expect(await as(key, method, path)).toMatchObject({ status: 403, body: { code: 'tenant_suspended' } })
    }
    const theirs = { 'X-Tenant': 'paused' }
    const text = { to: '+491510000009', type: 'text', text: { body: 'later' } }
    const { body: waiting } = await admin('POST', '/sessions/main/messages', text, theirs)
    expect(waiting).toMatchObject({ status: 'pending', reason: 'tenant_suspended', nextAction: 'resume_tenant' })
    const incoming = { from: '+491510000009', type: 'text', text: { body: 'hello' } }
    await admin('POST', '/sessions/main/sandbox/receive', incoming, theirs)
    await until('it is stored', async () => {
      const { body } = await admin('GET', '/messages?direction=in', undefined, theirs)
      return body.data.length === 1
    })
    const path = `/messages/${waiting.id}`
    expect((await admin('GET', path, undefined, theirs)).body).toMatchObject({ status: 'pending' })
    expect((await admin('GET', '/sessions/main', undefined, theirs)).body.status).toBe('connected')
    expect((await admin('POST', '/tenants/paused/resume')).body.status).toBe('active')
    await until('it is sent', async () => (await as(key, 'GET', path)).body.sentAt)
  })

  it('deletes a tenant with everything that is theirs, once it is confirmed, and nothing of others', async () => {
    const { id, key } = await tenant('leaving')
    const stays = await tenant('staying')
    await session(stays.key, 'main')
    const own = await session(key, 'main')
    const image = { base64: PNG, mimetype: 'image/png' }
    const sent = await as(key, 'POST', '/sessions/main/messages', { to: '+491510000009', type: 'image', image })
    expect(sent.status).toBe(202)
    await as(key, 'POST', '/webhooks', { url: 'http://127.0.0.1:9/' })
    const asked = await admin('DELETE', '/tenants/leaving')
    expect(asked).toMatchObject({
      status: 409,
      body: {
        code: 'confirmation_required',
        deletes: { sessions: 1, messages: 1, webhooks: 1, apiKeys: 1, files: 1, bytes: 70 },
      },
    })
    expect((await admin('DELETE', '/tenants/leaving?confirm=staying')).status).toBe(409)
    expect(await admin('DELETE', '/tenants/leaving?confirm=leaving')).toMatchObject({
      status: 202,
      body: { status: 'deleting' },
    })
    expect((await as(key, 'GET', '/sessions')).status).toBe(401)
    // By then no gateway knows it any more.
    ahead = 10_000
    await until('it is gone', async () => (await admin('GET', '/tenants/leaving')).status === 404)
    ahead = 0

    const left = await test.gateway.db.read(async (reader) => {
      const found: string[] = []
      for (const table of tables) {
        // What an admin did is the admin's.
        if (!table.columnNames().includes('tenant_id') || table.tableName === 'audit') continue
        const rows: unknown[] = await reader.query(`SELECT 1 FROM ${table.tableName} WHERE tenant_id = ?`, [id])
        if (rows.length > 0) found.push(table.tableName)
      }
      return found
    })
    expect(left).toEqual([])
    await until('its node has forgotten it', async () => {
      const there = await test.nodes[0]?.client.call('ListSessions', {})
      return there?.sessions.every(({ sessionId }) => sessionId !== own)
    })
    const connected = async () => (await as(stays.key, 'GET', '/sessions/main')).body.status === 'connected'
    await until('the session of the other is as it was', connected)
    expect((await admin('POST', '/tenants', { name: 'leaving' })).status).toBe(201)
  })
})
