import { expect } from 'vitest'
import { createRest } from '../rest.js'
import { row } from './row.js'
import { until } from '../until.js'

row('F26b', 'kill -9 of the gateway in the middle of deleting a tenant', async ({ rig: make }) => {
  const rig = await make({ stopAt: { gateway: 'tenant.half_removed' } })
  const admin = rig.rest()
  await admin.post('/tenants', { name: 'ann', limits: { requestsPerMinute: null } })
  const scopes = ['sessions:read', 'sessions:write', 'messages:send', 'messages:read']
  const { body: key } = await admin.post('/api-keys', { name: 'x', tenant: 'ann', scopes })
  const ann = createRest(admin.url, key.key as string)
  await ann.post('/sessions', { name: 'hers', engine: 'sandbox', sandbox: { phone: '+15550001111', autoPair: true } })
  await until('it is connected', async () => (await ann.get('/sessions/hers')).body.status === 'connected')
  // What comes in, because what went out is held against the rows in the end.
  for (let count = 0; count < 20; count++) {
    const incoming = { from: '+4915112345678', type: 'text', text: { body: `number ${count}` } }
    expect((await ann.post('/sessions/hers/sandbox/receive', incoming)).status).toBeLessThan(300)
  }
  await until('all is stored', async () => (await ann.get('/messages')).body.data?.length === 20)
  expect((await admin.delete('/tenants/ann?confirm=ann')).status).toBe(202)
  await rig.atFaultPoint('gateway-1')
  await rig.kill('gateway-1')
  const left = async () => (await rig.database.rows('SELECT id FROM messages')).length
  expect(await left()).toBe(20)

  await rig.launch('gateway-1')
  await until('it is gone', async () => (await rig.rest().get('/tenants/ann')).status === 404)
  expect(await left()).toBe(0)
  expect((await ann.get('/sessions')).status).toBe(401)
  expect((await rig.rest().post('/tenants', { name: 'ann' })).status).toBe(201)
  return '20 messages that were left are gone after the restart, and the name is free'
})
