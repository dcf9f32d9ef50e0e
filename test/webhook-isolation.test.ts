/** A tenant never gets another's events at its webhooks, nor sees another's webhooks; a key sees only its sessions'. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { newId } from '../runtime/ids.js'
import { startTestGateway, type TestGateway } from './gateway.js'
import { until } from './until.js'
import { eventOf, WebhookCatcher } from './webhook-catcher.js'

const CONTACT = '+491510000009'

describe('webhooks of two tenants', () => {
  let world: TestGateway
  const sink = new WebhookCatcher()
  /** Of two tenants; the second of the first is limited to the session `own`. */
  const keys = { ann: '', annLimited: '', ben: '' }

  /** A key of a tenant of its own. */
  async function keyOfAnother(name: string): Promise<string> {
    const { gateway } = world
    const key = await gateway.issueKey({ name, scopes: ['admin'] })
    const id = newId('ten')
    await gateway.db.write(async (tx) => {
      await tx.query(
        `INSERT INTO tenants (id, name, status, limits, created_at) SELECT ?, ?, status, limits, created_at FROM tenants LIMIT 1`,
        [id, name],
      )
      await tx.query('UPDATE api_keys SET tenant_id = ? WHERE name = ?', [id, name])
    })
    return key
  }

  async function session(key: string, name: string): Promise<string> {
    const sandbox = { autoPair: true }
    const { body } = await world.ask('POST', '/api/v1/sessions', { name, engine: 'sandbox', sandbox }, { key })
    await until(`${name} is connected`, async () => {
      const { body } = await world.ask('GET', `/api/v1/sessions/${name}`, undefined, { key })
      return body.status === 'connected'
    })
    return body.id as string
  }

  async function hook(key: string, path: string, more: object = {}) {
    return world.ask('POST', '/api/v1/webhooks', { url: sink.url(path), events: ['*'], ...more }, { key })
  }

  const write = (key: string, session: string, body: string) =>
    world.ask(
      'POST',
      `/api/v1/sessions/${session}/sandbox/receive`,
      { from: CONTACT, type: 'text', text: { body } },
      { key },
    )
  const texts = (path: string) =>
    sink.at(path).flatMap((caught) => (eventOf(caught).data.message?.text?.body as string | undefined) ?? [])

  beforeAll(async () => {
    world = await startTestGateway()
    await sink.start()
    keys.ann = await keyOfAnother('ann')
    keys.ben = await keyOfAnother('ben')
  })
  afterAll(async () => {
    await world.stop()
    await sink.stop()
  })

  it('brings each tenant its own events, and a limited key those of its sessions', async () => {
    const own = await session(keys.ann, 'own')
    const other = await session(keys.ann, 'other')
    const bens = await session(keys.ben, 'own')
    keys.annLimited = await limitedKey('ann', own)
    expect((await hook(keys.ann, '/ann')).status).toBe(201)
    expect((await hook(keys.ben, '/ben')).status).toBe(201)
    expect((await hook(keys.annLimited, '/limited')).status).toBe(201)
    // Neither by id, of another tenant or of another session, nor by a name.
    expect((await hook(keys.ben, '/stolen', { sessions: [own] })).status).toBeGreaterThanOrEqual(400)
    expect((await hook(keys.annLimited, '/stolen', { sessions: [other] })).status).toBeGreaterThanOrEqual(400)
    await write(keys.ann, 'own', 'for ann')
    await write(keys.ann, 'other', 'for ann, elsewhere')
    await write(keys.ben, 'own', 'for ben')
    await until('all has arrived', () => texts('/ann').length === 2 && texts('/ben').length === 1)
    // What comes after everything else has come.
    await write(keys.ann, 'own', 'the end')
    await until('the end has arrived', () => texts('/ann').includes('the end') && texts('/limited').includes('the end'))
    expect(texts('/ann').sort()).toEqual(['for ann', 'for ann, elsewhere', 'the end'])
    expect(texts('/ben')).toEqual(['for ben'])
    expect(texts('/limited')).toEqual(['for ann', 'the end'])
    const sessionsAt = (path: string) => new Set(sink.at(path).flatMap((caught) => eventOf(caught).session?.id ?? []))
    expect(sessionsAt('/ann')).toEqual(new Set([own, other]))
    expect(sessionsAt('/ben')).toEqual(new Set([bens]))
    expect(sessionsAt('/limited')).toEqual(new Set([own]))
    expect(sink.at('/stolen')).toEqual([])
  })

  it('shows nobody the webhooks and deliveries of another tenant', async () => {
    const { body: list } = await world.ask('GET', '/api/v1/webhooks', undefined, { key: keys.ann })
    const mine = (list.data as { id: string; url: string }[]).find(({ url }) => url === sink.url('/ann'))
    const webhook = `/api/v1/webhooks/${mine?.id}`
    const { body: deliveries } = await world.ask('GET', `${webhook}/deliveries`, undefined, { key: keys.ann })
    const retry = `/api/v1/deliveries/${deliveries.data[0].id}/retry`
    const before = sink.caught.length
    const asked: [method: string, path: string, body?: unknown][] = [
      ['GET', webhook],
      ['PATCH', webhook, { description: 'mine now' }],
      ['GET', `${webhook}/deliveries`],
      ['POST', `${webhook}/test`],
      ['POST', `${webhook}/rotate-secret`],
      ['POST', `${webhook}/replay`, { since: '2020-01-01T00:00:00Z' }],
      ['POST', retry],
      ['DELETE', webhook],
    ]
    for (const [method, path, body] of asked) {
      const { status } = await world.ask(method, path, body, { key: keys.ben })
      expect(status, `${method} ${path}`).toBe(404)
    }
    const { body: bens } = await world.ask('GET', '/api/v1/webhooks', undefined, { key: keys.ben })
    expect((bens.data as { url: string }[]).map(({ url }) => url)).toEqual([sink.url('/ben')])
    expect((await world.ask('GET', webhook, undefined, { key: keys.ann })).body).toMatchObject({ status: 'enabled' })
    expect(sink.caught.length).toBe(before)
  })

  it('keeps a limited key from the webhooks of sessions that it does not see', async () => {
    const { body } = await world.ask('GET', '/api/v1/webhooks', undefined, { key: keys.annLimited })
    expect((body.data as { url: string }[]).map(({ url }) => url)).toEqual([sink.url('/limited')])
    const { body: all } = await world.ask('GET', '/api/v1/webhooks', undefined, { key: keys.ann })
    const wide = (all.data as { id: string; url: string }[]).find(({ url }) => url === sink.url('/ann'))
    const { status } = await world.ask('GET', `/api/v1/webhooks/${wide?.id}/deliveries`, undefined, {
      key: keys.annLimited,
    })
    expect(status).toBe(404)
  })

  async function limitedKey(tenant: string, sessionId: string): Promise<string> {
    const { gateway } = world
    const name = `${tenant}-limited`
    const scopes = ['webhooks:read', 'webhooks:write', 'events:read'] as const
    const key = await gateway.issueKey({ name, scopes: [...scopes], sessions: [sessionId] })
    await gateway.db.write((tx) =>
      tx.query('UPDATE api_keys SET tenant_id = (SELECT id FROM tenants WHERE name = ?) WHERE name = ?', [
        tenant,
        name,
      ]),
    )
    return key
  }
})
