import { expect } from 'vitest'
import type { Operation } from '../../gateway/http/operation.js'
import { operations } from '../../gateway/openapi/operations.js'
import { newKey, scopes } from '../../gateway/tenants/api-key.js'
import { checkAnswer } from '../api-contract.js'
import { emptyDatabase } from '../databases.js'
import { createRest, type Rest } from '../rest.js'
import { full, type Row, row } from './row.js'
import { until } from '../until.js'

const ordinary = scopes.filter((scope) => scope !== 'admin')
/** A key that was revoked is refused by every gateway after so long. */
const REVOKED_MS = 5_000
const LANES = 8

async function severalGateways({ afterwards }: Row) {
  const { url, remove } = await emptyDatabase({ name: 'MariaDB' })
  afterwards(remove)
  return { databaseUrl: url, gateways: 2 }
}

type Refusal = [key: string | undefined, status: number, code: string]

row('F26', 'every route, asked with keys that are missing, wrong, over, elsewhere, or of others', async (parts) => {
  const several = full ? await severalGateways(parts) : {}
  const rig = await parts.rig({
    ...several,
    env: (name) =>
      name.startsWith('gateway') ? { AUTH_FAILURES_PER_MINUTE: '0', WEBHOOK_ALLOW_CIDRS: '127.0.0.0/8' } : {},
  })
  const admin = rig.rest('gateway-1')
  const made = async (path: string, body: object, rest: Rest = admin) => {
    const answer = await rest.post(path, body)
    if (answer.status >= 300) throw new Error(`${path}: ${answer.status} ${JSON.stringify(answer.body)}`)
    return answer.body
  }
  const limits = { requestsPerMinute: null }
  for (const name of ['ann', 'ben', 'cut']) await made('/tenants', { name, limits })
  const key = async (more: object = {}) => {
    const { id, key: text } = await made('/api-keys', { name: 'x', tenant: 'ann', scopes: ordinary, ...more })
    return { id: id as string, text: text as string }
  }
  const [good, bens, cut, elsewhere] = [
    await key(),
    await key({ tenant: 'ben' }),
    await key({ tenant: 'cut' }),
    await key({ cidrs: ['10.9.8.0/24', '2001:db8::/32'] }),
  ]
  const lacking = new Map<string, string>([['admin', good.text]])
  for (const scope of ordinary) {
    lacking.set(scope, (await key({ scopes: ordinary.filter((held) => held !== scope) })).text)
  }
  const [expired, revoked] = [await key({ expiresAt: new Date(Date.now() + 1_000).toISOString() }), await key()]
  await made('/tenants/cut/suspend', {})
  await admin.delete(`/api-keys/${revoked.id}`)

  // What Ann has, for Ben to ask for.
  const ann = createRest(admin.url, good.text, checkAnswer)
  const session = await made('/sessions', { name: 'hers', engine: 'sandbox', sandbox: { autoPair: true } }, ann)
  await until('it is connected', async () => (await ann.get('/sessions/hers')).body.status === 'connected')
  const text = { to: '+4915112345678', type: 'text', text: { body: rig.ledger.canary } }
  const message = await made('/sessions/hers/messages', text, ann)
  const webhook = await made('/webhooks', { url: 'http://127.0.0.1:9/', events: ['call.received'] }, ann)
  const ids: Record<string, string> = {
    ...{ '/sessions': session.id, '/messages': message.id, '/webhooks': webhook.id },
    ...{ '/api-keys': good.id, '/tenants': 'ann' },
  }
  const pathOf = ({ path }: Operation) =>
    path.replace(/^\/api\/v1/, '').replace(/(\/[\w-]+)\/\{(\w+)\}/g, (_, kind: string, name: string) => {
      const id = ids[kind] ?? { phone: '4915112345678' }[name] ?? `${name}_01kaxq0z9y8x7w6v5t4s3r2q1p`
      return `${kind}/${id}`
    })

  /** As JSON, also where a form would do. */
  async function ask(op: Operation, text: string | undefined): Promise<[status: number, code: string]> {
    const [example] = Object.values(op.body?.examples ?? {})
    const hasBody = op.method !== 'get' && op.method !== 'delete'
    const answer = await fetch(`${admin.url}/api/v1${pathOf(op)}`, {
      method: op.method.toUpperCase(),
      headers: {
        ...(text === undefined ? {} : { authorization: `Bearer ${text}` }),
        ...(hasBody ? { 'content-type': 'application/json' } : {}),
      },
      ...(hasBody ? { body: JSON.stringify(example ?? {}) } : {}),
      signal: AbortSignal.timeout(10_000),
    })
    const { code } = (await answer.json()) as { code: string }
    return [answer.status, code]
  }

  const whole = newKey()
  const wrong = whole.slice(0, -1) + (whole.endsWith('x') ? 'y' : 'x')
  const refusals: Record<string, Refusal> = {
    'no key': [undefined, 401, 'api_key_missing'],
    malformed: ['swb_nonsense', 401, 'api_key_malformed'],
    'bad checksum': [wrong, 401, 'api_key_malformed'],
    unknown: [whole, 401, 'api_key_unknown'],
    expired: [expired.text, 401, 'api_key_expired'],
    revoked: [revoked.text, 401, 'api_key_unknown'],
    'from elsewhere': [elsewhere.text, 403, 'address_not_allowed'],
    suspended: [cut.text, 403, 'tenant_suspended'],
  }
  await until('a key has expired', async () => {
    return (await createRest(admin.url, expired.text).get('/sessions')).status === 401
  })
  const withKeys = operations.filter(({ scope, path }) => scope !== null && path.startsWith('/api/v1/'))
  const unlike: string[] = []
  let asked = 0
  const expectAnswer = async (op: Operation, what: string, [text, ...wanted]: Refusal) => {
    const got = await ask(op, text)
    asked += 1
    if (got.join() !== wanted.join()) unlike.push(`${op.method} ${op.path}, ${what}: ${got.join(' ')}`)
  }
  const walk = async (op: Operation) => {
    for (const [what, refusal] of Object.entries(refusals)) await expectAnswer(op, what, refusal)
    await expectAnswer(op, 'without its scope', [lacking.get(op.scope ?? ''), 403, 'scope_missing'])
    if (!op.path.includes('{') || op.scope === 'admin') return
    const [status] = await ask(op, bens.text)
    asked += 1
    if (status !== 404) unlike.push(`${op.method} ${op.path}, another tenant: ${status}`)
  }
  // Few at a time: connections that are kept alive count as open files of the gateway.
  const waiting = [...withKeys]
  const lane = async () => {
    for (let op = waiting.pop(); op; op = waiting.pop()) await walk(op)
  }
  await Promise.all(Array.from({ length: LANES }, lane))
  expect(unlike).toEqual([])
  expect((await ann.get('/sessions/hers')).body).toMatchObject({ status: 'connected' })
  expect((await ann.get(`/webhooks/${webhook.id}`)).body.status).toBe('enabled')

  // Known to the other gateway, where there is one, at this very moment, and revoked through this one.
  const there = createRest(rig.rest(full ? 'gateway-2' : 'gateway-1').url, good.text, checkAnswer)
  expect((await there.get('/sessions')).status).toBe(200)
  const began = performance.now()
  await admin.delete(`/api-keys/${good.id}`)
  expect((await ann.get('/sessions')).status).toBe(401)
  await until('every gateway refuses it', async () => (await there.get('/sessions')).status === 401)
  const took = performance.now() - began
  expect(took).toBeLessThan(REVOKED_MS)
  return `${withKeys.length} routes, ${asked} requests refused as documented; revoked everywhere after ${Math.round(took)} ms`
})
