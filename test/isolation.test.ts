/**
 * Walks every route of the OpenAPI document as somebody whose it is not, and finds nothing. A route that is added is
 * walked from that day on.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Scope, scopes } from '../gateway/tenants/api-key.js'
import { startTestGateway, type TestGateway } from './gateway.js'
import { until } from './until.js'
import { WebhookCatcher } from './webhook-catcher.js'

const API = '/api/v1'
const PNG = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=='
const CONTACT = '+4915112340077'
const everything: Scope[] = scopes.filter((scope) => scope !== 'admin')

interface Route {
  method: string
  path: string
  /** null: for whoever comes. */
  scope: string | null
  inPath: string[]
  inQuery: string[]
  body: Record<string, unknown> | undefined
}

/** What tenant A has, and how it is called. */
interface Owned {
  session: string
  message: string
  media: string
  webhook: string
  delivery: string
  key: string
  tenant: string
}

describe('somebody else', () => {
  let test: TestGateway
  const catcher = new WebhookCatcher()
  let routes: Route[]
  let owned: Owned
  const keys = { owner: '', otherTenant: '', otherSession: '' }
  const ask = (key: string, method: string, path: string, body?: unknown) => test.ask(method, path, body, { key })

  beforeAll(async () => {
    test = await startTestGateway()
    await catcher.start()
    routes = routesOf((await test.ask('GET', '/api/openapi.json')).body)
    const tenant = await makeTenant('walked')
    keys.owner = tenant.key
    keys.otherTenant = (await makeTenant('walker')).key
    await linkedSession(keys.otherTenant, 'walkers')
    owned = await oneOfEverything(tenant)
    const others = await linkedSession(keys.owner, 'others')
    const limited = { name: 'limited', tenant: tenant.id, scopes: everything, sessions: [others] }
    keys.otherSession = (await test.ask('POST', `${API}/api-keys`, limited)).body.key
  })
  afterAll(async () => {
    await test.stop()
    await catcher.stop()
  })

  async function makeTenant(name: string) {
    const { id } = (await test.ask('POST', `${API}/tenants`, { name })).body
    const made = (await test.ask('POST', `${API}/api-keys`, { name: 'all', tenant: id, scopes: everything })).body
    return { id: id as string, key: made.key as string, keyId: made.id as string }
  }

  async function linkedSession(key: string, name: string): Promise<string> {
    const wanted = { name, engine: 'sandbox', sandbox: { autoPair: true } }
    const { id } = (await ask(key, 'POST', `${API}/sessions`, wanted)).body
    await until(
      `${name} is linked`,
      async () => (await ask(key, 'GET', `${API}/sessions/${id}`)).body.status === 'connected',
    )
    return id as string
  }

  async function oneOfEverything(tenant: { id: string; key: string; keyId: string }): Promise<Owned> {
    const { key } = tenant
    const hook = { url: catcher.url('/walked'), events: ['message.received'] }
    const webhook = (await ask(key, 'POST', `${API}/webhooks`, hook)).body.id as string
    const session = await linkedSession(key, 'secret')
    const image = { from: CONTACT, type: 'image', image: { base64: PNG, mimetype: 'image/png' } }
    await ask(key, 'POST', `${API}/sessions/${session}/sandbox/receive`, image)
    const received = await until('the picture is here', async () => {
      const { data } = (await ask(key, 'GET', `${API}/messages?direction=in`)).body
      return data[0]?.image?.id && !data[0].image.pending ? data[0] : undefined
    })
    const deliveries = await until('the delivery', async () => {
      const { data } = (await ask(key, 'GET', `${API}/webhooks/${webhook}/deliveries?status=succeeded`)).body
      return data.length > 0 ? data : undefined
    })
    return {
      ...{ session, webhook, key: tenant.keyId, tenant: tenant.id },
      ...{ message: received.id, media: received.image.id, delivery: deliveries[0].id },
    }
  }

  /** What stands for a parameter of a path, by the word before it; null where it belongs to nobody. */
  function valueOf(path: string, parameter: string): string | null {
    const before = path.split('/').at(path.split('/').indexOf(`{${parameter}}`) - 1) ?? ''
    const values: Record<string, string | null> = {
      ...{ sessions: owned.session, link: owned.session, messages: owned.message, media: owned.media },
      ...{ webhooks: owned.webhook, deliveries: owned.delivery, 'api-keys': owned.key, tenants: owned.tenant },
      ...{ nodes: test.nodes[0]?.node.id() ?? '', numbers: CONTACT, assets: null },
    }
    const value = values[before]
    if (value !== undefined) return value
    throw new Error(`Make what {${parameter}} of ${path} names in oneOfEverything, and say so in valueOf.`)
  }

  const who = {
    'with the key of another tenant': 'otherTenant',
    'with a key for another session': 'otherSession',
  } as const
  const cases = Object.entries(who)
  /** Is there, and not theirs. */
  const hidden = (route: Route) => (route.scope === 'admin' ? [403] : [404])

  it.each(cases)('%s, gets 404 for every id, and changes nothing', async (_, name) => {
    const before = await everythingOwned()
    const answers: string[] = []
    for (const route of routes.filter(({ inPath }) => inPath.length > 0)) {
      const values = route.inPath.map((parameter) => [parameter, valueOf(route.path, parameter)] as const)
      if (values.some(([, value]) => value === null)) continue
      const path = values.reduce(
        (text, [parameter, value]) => text.replace(`{${parameter}}`, String(value)),
        route.path,
      )
      const { status, body } = await ask(keys[name], route.method, path, route.body)
      if (!hidden(route).includes(status))
        answers.push(`${route.method} ${route.path}: ${status} ${JSON.stringify(body)}`)
    }
    expect(answers).toEqual([])
    expect(await everythingOwned()).toEqual(before)
  })

  it.each(cases)('%s, gets 404 for a session that a query or a body names', async (_, name) => {
    const answers: string[] = []
    for (const { method, path, inPath, inQuery, body = {}, scope } of routes) {
      if (inPath.length > 0 || scope === 'admin') continue
      for (const session of [owned.session, 'secret']) {
        // A name that is not theirs is free to be theirs.
        if (session === 'secret' && path.endsWith('/init')) continue
        const asked = inQuery.includes('session')
          ? await ask(keys[name], method, `${path}?session=${session}`)
          : 'session' in body || /send-|\/init$/.test(path)
            ? await ask(keys[name], method, path, { ...body, session })
            : undefined
        if (asked && asked.status !== 404) answers.push(`${method} ${path}: ${asked.status}`)
      }
    }
    expect(answers).toEqual([])
  })

  it.each(cases)('%s, cannot make use of what is named in a message or a webhook', async (_, name) => {
    const own = name === 'otherTenant' ? 'walkers' : 'others'
    const message = (content: object) =>
      ask(keys[name], 'POST', `${API}/sessions/${own}/messages`, { to: '+4915112340088', ...content })
    const statuses = [
      await message({ type: 'image', image: { id: owned.media } }),
      await message({ type: 'text', text: { body: 'x' }, replyTo: owned.message }),
      await message({ type: 'reaction', reaction: { messageId: owned.message, emoji: '👍' } }),
      await ask(keys[name], 'POST', `${API}/webhooks`, { url: catcher.url('/theirs'), sessions: [owned.session] }),
    ].map(({ status }) => status)
    expect(statuses).toEqual([422, 422, 422, 404])
  })

  it.each(cases)('%s, sees nothing in any list', async (_, name) => {
    const found: string[] = []
    for (const { method, path, inPath, scope, inQuery } of routes) {
      const isStream = path.endsWith('/stream') || scope === null
      if (method !== 'GET' || inPath.length > 0 || isStream) continue
      const query = inQuery.includes('limit') ? '?limit=500' : ''
      const { status, body } = await ask(keys[name], 'GET', path + query)
      expect([200, 403, 404], `${path} ${JSON.stringify(body)}`).toContain(status)
      const text = JSON.stringify(body)
      for (const secret of [...Object.values(owned), 'secret', CONTACT]) {
        if (secret !== owned.tenant && text.includes(secret)) found.push(`${path}: ${secret}`)
      }
    }
    expect(found).toEqual([])
  })

  /** As their owner sees it: that it is there shows that the walk was not to places that are empty. */
  async function everythingOwned() {
    const { session, message, media, webhook, delivery } = owned
    const paths = [`sessions/${session}`, `messages/${message}`, `webhooks/${webhook}`, `deliveries/${delivery}`]
    const answers = await Promise.all(paths.map((path) => ask(keys.owner, 'GET', `${API}/${path}`)))
    const file = await test.fetch(`${API}/media/${media}`, { headers: { 'X-API-Key': keys.owner } })
    const admin = [`tenants/${owned.tenant}`, `api-keys/${owned.key}`].map((path) => test.ask('GET', `${API}/${path}`))
    const kept = [...answers, ...(await Promise.all(admin))]
    expect([...kept.map(({ status }) => status), file.status]).toEqual(Array.from({ length: 7 }, () => 200))
    // When the key was last used is no change.
    return kept.map(({ body: { lastUsedAt: _, ...body } }) => body as unknown)
  }
})

interface Documented {
  security: Record<string, string[]>[]
  parameters?: { in: string; name: string; $ref?: string }[]
  requestBody?: { content: Record<string, { examples?: Record<string, { value: Record<string, unknown> }> }> }
}

function routesOf({ paths }: { paths: Record<string, Record<string, Documented>> }): Route[] {
  return Object.entries(paths).flatMap(([path, item]) =>
    Object.entries(item).map(([method, { security, parameters = [], requestBody }]) => {
      const names = (place: string) => parameters.filter((parameter) => parameter.in === place).map(({ name }) => name)
      const [example] = Object.values(requestBody?.content['application/json']?.examples ?? {})
      return {
        ...{ method: method.toUpperCase(), path, inPath: names('path'), inQuery: names('query') },
        scope: security[0] ? (Object.values(security[0])[0]?.[0] ?? null) : null,
        body: example?.value,
      }
    }),
  )
}
