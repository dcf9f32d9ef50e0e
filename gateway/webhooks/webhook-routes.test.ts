import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startTestGateway, type TestGateway } from '../../test/gateway.js'
import { until } from '../../test/until.js'
import { verified, WebhookCatcher } from '../../test/webhook-catcher.js'
import type { NewApiKey } from '../tenants/api-keys.js'

describe('/api/v1/webhooks', () => {
  let gateway: TestGateway
  let catcher: WebhookCatcher
  let shop: string

  beforeAll(async () => {
    catcher = new WebhookCatcher()
    await catcher.start()
    gateway = await startTestGateway()
    const sandbox = { engine: 'sandbox', start: false }
    shop = (await gateway.ask('POST', '/api/v1/sessions', { name: 'shop', ...sandbox })).body.id
    await gateway.ask('POST', '/api/v1/sessions', { name: 'desk', ...sandbox })
  })
  afterAll(async () => {
    await gateway.stop()
    await catcher.stop()
  })

  const ask = (method: string, path: string, body?: unknown, options = {}) =>
    gateway.ask(method, `/api/v1${path}`, body, options)
  const url = 'https://shop.example.org/whatsapp'
  const make = async (fields: object = {}) => (await ask('POST', '/webhooks', { url, ...fields })).body
  const keyFor = (wanted: Partial<NewApiKey>) =>
    gateway.gateway.issueKey({ name: 'k', scopes: ['webhooks:read', 'webhooks:write'], ...wanted })

  it('makes a webhook, and tells its secret this once', async () => {
    const { status, headers, body } = await ask('POST', '/webhooks', {
      url,
      sessions: ['shop'],
      headers: { 'X-Shop': '7' },
    })
    expect(status).toBe(201)
    expect(headers.get('location')).toBe(`/api/v1/webhooks/${body.id}`)
    const { secret, createdAt, ...shown } = body
    expect(secret).toMatch(/^whsec_[0-9A-Za-z+/]{43}=$/)
    expect(shown).toEqual({
      ...{ id: expect.stringMatching(/^whk_/), url, events: ['*'], sessions: [shop], headers: { 'X-Shop': '7' } },
      ...{ signature: 'standard', ordered: false, concurrency: 4, status: 'enabled' },
    })
    expect((await ask('GET', `/webhooks/${body.id}`)).body).toEqual({ ...shown, createdAt })
    const stored = await gateway.gateway.db.read((reader) =>
      reader.query<object[]>('SELECT * FROM webhooks WHERE id = ?', [body.id]),
    )
    expect(JSON.stringify(stored)).not.toContain(secret.slice(6, 20))
  })

  it('makes one webhook under one key, with the same secret in each answer', async () => {
    const under = { headers: { 'Idempotency-Key': 'make-1' } }
    const first = await ask('POST', '/webhooks', { url }, under)
    const again = await ask('POST', '/webhooks', { url }, under)
    expect(again.body).toEqual(first.body)
    expect(again.headers.get('idempotency-replayed')).toBe('true')
    expect((await ask('POST', '/webhooks', { url: `${url}2` }, under)).status).toBe(422)
    const rotation = { headers: { 'Idempotency-Key': 'rotate-1' } }
    const path = `/webhooks/${first.body.id}/rotate-secret`
    const rotated = await ask('POST', path, undefined, rotation)
    expect(rotated.body.secret).not.toBe(first.body.secret)
    expect((await ask('POST', path, undefined, rotation)).body.secret).toBe(rotated.body.secret)
  })

  it.each([
    [{ url: 'https://169.254.169.254/' }, 422, 'blocked_address'],
    [{ url: 'https://[::ffff:10.0.0.1]/' }, 422, 'blocked_address'],
    [{ url: 'ftp://shop.example.org/' }, 422, 'invalid_url'],
    [{ url: 'https://me:pw@shop.example.org/' }, 422, 'invalid_url'],
    [{ url, events: ['message.*', 'massage.sent'] }, 400, 'invalid_request'],
    [{ url, events: [] }, 400, 'invalid_request'],
    [{ url, sessions: ['nobody'] }, 404, 'session_not_found'],
    [{ url, headers: { Host: 'other' } }, 400, 'invalid_request'],
    [{ url, headers: { 'Webhook-Id': '1' } }, 400, 'invalid_request'],
    [{ url, headers: { 'x-hub-signature-256': '1' } }, 400, 'invalid_request'],
    [{ url, headers: { 'Content-Length': '1' } }, 400, 'invalid_request'],
    [{ url, headers: { 'X-A': 'b\r\nX-C: d' } }, 400, 'invalid_request'],
    [{ url, headers: { 'X-A': '1', 'x-a': '2' } }, 400, 'invalid_request'],
    [{ url, concurrency: 0 }, 400, 'invalid_request'],
    [{ url, signature: 'none' }, 400, 'invalid_request'],
    [{}, 400, 'invalid_request'],
  ])('refuses %j with %i %s', async (wanted, status, code) => {
    const answer = await ask('POST', '/webhooks', wanted)
    expect([answer.status, answer.body.code]).toEqual([status, code])
  })

  it('changes, pauses, lists and deletes webhooks', async () => {
    const { id } = await make()
    const changes = { events: ['call.*'], description: 'calls', ordered: true, status: 'paused' }
    expect((await ask('PATCH', `/webhooks/${id}`, changes)).body).toMatchObject(changes)
    expect((await ask('PATCH', `/webhooks/${id}`, { description: null, status: 'enabled' })).body).toMatchObject({
      events: ['call.*'],
      status: 'enabled',
    })
    expect((await ask('PATCH', `/webhooks/${id}`, { status: 'disabled' })).status).toBe(400)
    expect((await ask('PATCH', `/webhooks/${id}`, { url: 'https://10.0.0.1/' })).body.code).toBe('blocked_address')
    const first = await ask('GET', '/webhooks?limit=1')
    const rest = await ask('GET', `/webhooks?cursor=${first.body.nextCursor}`)
    expect([...first.body.data, ...rest.body.data].map((webhook) => webhook.id)).toContain(id)
    expect(rest.body.data[0].id).not.toBe(first.body.data[0].id)
    expect((await ask('DELETE', `/webhooks/${id}`)).status).toBe(204)
    for (const [method, path] of [
      ['GET', ''],
      ['DELETE', ''],
      ['GET', '/deliveries'],
      ['POST', '/test'],
    ] as const) {
      expect((await ask(method, `/webhooks/${id}${path}`)).body.code).toBe('webhook_not_found')
    }
  })

  it('tests a webhook with a signed request, and says what came of it', async () => {
    const webhook = await make({
      url: catcher.url('/test'),
      signature: 'hub',
      headers: { Authorization: 'Basic eA==' },
    })
    catcher.reply = () => ({ status: 202, body: 'thanks' })
    const { body } = await ask('POST', `/webhooks/${webhook.id}/test`)
    const [caught] = catcher.at('/test')
    expect(body).toMatchObject({ succeeded: true, status: 202, answer: 'thanks', event: caught?.id })
    expect(caught && verified(caught, webhook.secret)).toMatchObject({ type: 'webhook.test' })
    expect(caught?.headers).toMatchObject({
      authorization: 'Basic eA==',
      'content-type': 'application/json',
      'user-agent': expect.stringMatching(/^Switchboard\/\d/),
      'x-hub-signature-256': expect.stringMatching(/^sha256=[0-9a-f]{64}$/),
    })
    // Both secrets sign for a day, so that the receiver can change over at any moment of it.
    const { secret } = (await ask('POST', `/webhooks/${webhook.id}/rotate-secret`)).body
    await ask('POST', `/webhooks/${webhook.id}/test`)
    const last = catcher.at('/test').at(-1)
    for (const known of [secret, webhook.secret]) expect(last && verified(last, known).type).toBe('webhook.test')

    const away = await make({ url: 'http://127.0.0.1:1/' })
    expect((await ask('POST', `/webhooks/${away.id}/test`)).body).toMatchObject({
      succeeded: false,
      error: 'connection_refused',
    })
    const elsewhere = await make({ url: 'https://localhost.:1/' })
    expect((await ask('POST', `/webhooks/${elsewhere.id}/test`)).body.succeeded).toBe(false)
  })

  it('shows a key for some sessions the webhooks of these sessions only', async () => {
    const limited = { key: await keyFor({ sessions: [shop] }) }
    const [ofShop, ofAll, ofDesk] = [
      await make({ sessions: ['shop'] }),
      await make(),
      await make({ sessions: ['desk'] }),
    ]
    const { body } = await ask('GET', '/webhooks', undefined, limited)
    const seen = body.data.map(({ id }: { id: string }) => id)
    expect(seen).toContain(ofShop.id)
    for (const { id } of [ofAll, ofDesk]) {
      expect(seen).not.toContain(id)
      expect((await ask('POST', `/webhooks/${id}/rotate-secret`, undefined, limited)).status).toBe(404)
      expect((await ask('GET', `/webhooks/${id}/deliveries`, undefined, limited)).status).toBe(404)
    }
    expect((await ask('POST', '/webhooks', { url }, limited)).body.sessions).toEqual([shop])
    expect((await ask('POST', '/webhooks', { url, sessions: ['*'] }, limited)).body.code).toBe('session_not_allowed')
    expect((await ask('POST', '/webhooks', { url, sessions: ['desk'] }, limited)).body.code).toBe('session_not_found')
    expect((await ask('PATCH', `/webhooks/${ofShop.id}`, { sessions: ['*'] }, limited)).status).toBe(403)
  })

  it('needs a new secret when the old one cannot be opened any more', async () => {
    const { id } = await make({ url: catcher.url('/lost'), headers: { 'X-A': 'b' } })
    const { db } = gateway.gateway
    const other = (await make()).id
    await db.write((tx) =>
      tx.query('UPDATE webhooks SET sealed = (SELECT sealed FROM webhooks WHERE id = ?) WHERE id = ?', [other, id]),
    )
    expect((await ask('GET', `/webhooks/${id}`)).body).toMatchObject({ status: 'disabled', reason: 'secret_lost' })
    expect((await ask('POST', `/webhooks/${id}/test`)).body.code).toBe('secret_lost')
    expect((await ask('PATCH', `/webhooks/${id}`, { status: 'enabled' })).body.code).toBe('secret_lost')
    const { secret } = (await ask('POST', `/webhooks/${id}/rotate-secret`)).body
    expect((await ask('PATCH', `/webhooks/${id}`, { status: 'enabled' })).body).toMatchObject({ status: 'enabled' })
    await ask('POST', `/webhooks/${id}/test`)
    const [caught] = catcher.at('/lost')
    expect(caught && verified(caught, secret).type).toBe('webhook.test')
  })

  it('asks for the scope to read and the one to write', async () => {
    const { id } = await make()
    const reader = { key: await keyFor({ scopes: ['webhooks:read'] }) }
    expect((await ask('GET', `/webhooks/${id}`, undefined, reader)).status).toBe(200)
    expect((await ask('DELETE', `/webhooks/${id}`, undefined, reader)).body.code).toBe('scope_missing')
    const stranger = { key: await keyFor({ scopes: ['messages:read'] }) }
    expect((await ask('GET', '/webhooks', undefined, stranger)).body.code).toBe('scope_missing')
  })

  it('refuses a retry of what is not there, and a replay that says neither since when nor what', async () => {
    const { id } = await make()
    expect((await ask('POST', '/deliveries/dlv_01kaxq2v9x4m2c8d7h0w5r3t1z/retry')).body.code).toBe('delivery_not_found')
    expect((await ask('GET', '/deliveries/x')).status).toBe(404)
    expect((await ask('POST', `/webhooks/${id}/replay`, {})).status).toBe(400)
    expect((await ask('POST', `/webhooks/${id}/replay`, { since: 'yesterday' })).status).toBe(400)
    expect((await ask('POST', `/webhooks/${id}/replay`, { since: '2026-11-22T12:00:00+01:00' })).body).toMatchObject({
      complete: true,
    })
  })

  it('disables a webhook that answers 410, with everything that it still had to get', async () => {
    const webhook = await make({ url: catcher.url('/gone'), events: ['session.*'], sessions: ['desk'] })
    catcher.reply = ({ path }) => (path === '/gone' ? 410 : 204)
    await ask('POST', '/sessions/desk/start')
    await until('it is disabled', async () => {
      const { body } = await ask('GET', `/webhooks/${webhook.id}`)
      return body.status === 'disabled' && body.reason === 'gone'
    })
    const { body } = await ask('GET', `/webhooks/${webhook.id}/deliveries?status=pending`)
    expect(body.data).toEqual([])
  })
})
