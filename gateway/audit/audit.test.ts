import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { newId } from '../../runtime/ids.js'
import { databases } from '../../test/databases.js'
import { startTestGateway, type TestGateway } from '../../test/gateway.js'
import { ANNA, API, type Talk, talkThrough, text } from '../../test/messages.js'
import { isAudited } from '../http/operation.js'
import { operations } from '../openapi/operations.js'
import { DEFAULT_TENANT } from '../tenants/tenant.js'

const OPERATOR = 'telegram:1001'

describe.each(databases())('the audit log on $name', (target) => {
  let test: TestGateway
  let talk: Talk
  beforeAll(async () => {
    test = await startTestGateway({ target })
    talk = talkThrough(test)
  })
  afterAll(() => test.stop())

  const lines = async (query = '') => {
    const { status, body } = await test.ask('GET', `${API}/audit?${query}`)
    expect(status).toBe(200)
    return body.data as Record<string, string>[]
  }

  it('says who did what to what, from where, and what became of it; nothing of what was said to whom', async () => {
    const name = await talk.linked()
    const { body: session } = await test.ask('GET', `${API}/sessions/${name}`)
    const key = await test.gateway.issueKey({ name: 'shop', scopes: ['sessions:write', 'messages:send'] })
    const headers = { 'X-Request-Id': 'req-7', traceparent: `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01` }
    await test.ask('POST', `${API}/sessions/${name}/stop`, {}, { key, headers })
    // Only an admin's key is believed that it acts for somebody else.
    await test.ask('POST', `${API}/sessions/${name}/start`, {}, { key, headers: { 'X-Actor': OPERATOR } })
    await test.ask('POST', `${API}/sessions/${name}/restart`, {}, { headers: { 'X-Actor': OPERATOR } })
    await talk.sessionReads(name, 'connected')
    await talk.send(name, text('CANARY-TEXT'))
    await test.ask('POST', `${API}/sessions/${ANNA}/stop`, undefined, { headers: { 'X-Actor': 'shell' } })
    await test.ask('POST', `${API}/sessions/${name}/pairing-code`, { phone: ANNA })
    const webhook = { url: 'http://127.0.0.1:9/CANARY-URL', events: ['*'], headers: { 'X-Secret': 'CANARY-HEADER' } }
    const { body: hook } = await test.ask('POST', `${API}/webhooks`, webhook)
    await test.ask('DELETE', `${API}/sessions/${name}`, undefined, { headers: { 'X-Actor': OPERATOR } })

    const all = await lines()
    const [keyId] = all.flatMap(({ action, actor }) => (action === 'stopSession' && actor ? [actor] : [])).slice(-1)
    expect(keyId).toMatch(/^key_/)
    const done = all.map(({ action, actor, target: about, outcome }) => [action, actor, about, outcome]).reverse()
    const admin = done[0]?.[1]
    expect(done).toEqual([
      ['createSession', admin, session.id, 'done'],
      ['stopSession', keyId, session.id, 'done'],
      ['startSession', keyId, session.id, 'done'],
      ['restartSession', OPERATOR, session.id, 'done'],
      ['stopSession', 'shell', undefined, 'session_not_found'],
      ['createPairingCode', admin, session.id, 'session_not_waiting_for_link'],
      ['createWebhook', admin, hook.id, 'done'],
      ['deleteSession', OPERATOR, session.id, 'done'],
    ])
    expect(all.find(({ actor, action }) => actor === keyId && action === 'stopSession')).toMatchObject({
      ...{ requestId: 'req-7', trace: 'a'.repeat(32), tenant: DEFAULT_TENANT, key: keyId, address: '127.0.0.1' },
    })
    const told = JSON.stringify(all)
    for (const secret of ['CANARY', ANNA.slice(1), key]) expect(told).not.toContain(secret)
    expect(await lines(`actor=${OPERATOR}&action=deleteSession&target=${session.id}`)).toHaveLength(1)
    expect(await lines(`tenant=ten_other`)).toEqual([])
    expect(await test.ask('GET', `${API}/audit`, undefined, { key })).toMatchObject({ status: 403 })
  })

  it('takes what an operator did at a node once, pages, and forgets after a year', async () => {
    const report = {
      id: newId('aud'),
      action: 'showQr',
      tenant: newId('ten'),
      target: newId('ses'),
      at: '2026-11-22T12:00:00.000Z',
    }
    const tell = () => test.ask('POST', `${API}/audit`, report, { headers: { 'X-Actor': OPERATOR } })
    expect([(await tell()).status, (await tell()).status]).toEqual([204, 204])
    expect(await lines('action=showQr')).toMatchObject([{ ...report, actor: OPERATOR, outcome: 'done' }])
    const { body: first } = await test.ask('GET', `${API}/audit?limit=5`)
    const { body: rest } = await test.ask('GET', `${API}/audit?limit=500&cursor=${first.nextCursor}`)
    expect([...first.data, ...rest.data]).toEqual(await lines())
    const year = 366 * 86_400_000
    expect((await test.gateway.trimOnce(Date.now() + year))?.audit).toBe(first.data.length + rest.data.length)
    expect(await lines()).toEqual([])
  })
})

it('leaves out only what is on record elsewhere, or is a toy', () => {
  const messages = ['sendMessage', 'sendText', 'sendMedia', 'cancelMessage', 'uploadMedia']
  const sandbox = ['pairSandbox', 'receiveInSandbox', 'logOutSandbox', 'disconnectSandbox']
  const changing = operations.filter(({ method, scope }) => method !== 'get' && scope !== null)
  const left = changing.filter((op) => !isAudited(op)).map(({ id }) => id)
  expect(left.filter((id) => ![...messages, ...sandbox, 'reportAction'].includes(id))).toEqual([])
})
