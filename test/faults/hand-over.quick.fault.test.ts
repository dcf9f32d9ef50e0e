import { expect } from 'vitest'
import { until } from '../until.js'
import { full, row } from './row.js'

const MANY = full ? 10_000 : 500
const KILLS = full ? 5 : 1

row('F01', 'accepted while no node is there, and the gateway is killed under the load', async ({ rig: make }) => {
  const rig = await make()
  await rig.sandboxSession('one')
  await rig.kill('node-1')
  const { ledger } = rig
  const loading = ledger.load({ session: 'one', count: MANY, concurrency: 20, rest: () => rig.rest() })
  for (let kill = 1; kill <= KILLS; kill++) {
    const enough = (MANY * kill) / (KILLS + 1)
    await until('enough is accepted', () => ledger.accepted.size >= enough, { everyMs: 5, timeoutMs: 60_000 })
    await rig.kill('gateway-1')
    await rig.launch('gateway-1')
  }
  await loading
  expect((await rig.wire()).length).toBe(0)
  await rig.launch('node-1')
  const began = performance.now()
  await rig.settled()
  const perSecond = Math.round((MANY * 1_000) / (performance.now() - began))

  const stored = (await rig.database.outgoing()).map((message) => message.wa_message_id)
  // Each exactly once, and the oldest first.
  expect((await rig.wire()).map(({ waMessageId }) => waMessageId)).toEqual(stored)
  const accepted = `${ledger.accepted.size} accepted over ${KILLS} kill -9`
  return `${accepted}, ${stored.length} stored and sent once, in order, ${perSecond}/s from the node's start`
})

row('F02', 'kill -9 of the gateway at each line between a POST and its result', async ({ rig: make }) => {
  const rig = await make({ stopAt: { gateway: 'message.stored' } })
  await rig.sandboxSession('one')
  const sending = rig.ledger.send(rig.rest(), 'one')
  await rig.atFaultPoint('gateway-1')
  for (const stopAt of ['hand_over.answered', 'events.written'] as const) {
    await rig.kill('gateway-1')
    rig.spawn('gateway-1', { FAULT_POINT: stopAt })
    await rig.atFaultPoint('gateway-1')
  }
  await rig.kill('gateway-1')
  expect(await sending).toBe(undefined)
  await rig.launch('gateway-1')
  const began = performance.now()
  await rig.settled()
  expect((await rig.database.outgoing()).length).toBe(1)
  expect((await rig.wire()).length).toBe(1)
  return `1 line for 1 message after 3 kills, sent ${Math.round(performance.now() - began)} ms after the last restart`
})

row(
  'F04',
  'kill -9 of the node before the page has the message, then before its ack is kept',
  async ({ rig: make }) => {
    const rig = await make({ stopAt: { node: 'dispatch.journaled' } })
    await rig.sandboxSession('one')
    const id = (await rig.ledger.send(rig.rest(), 'one')) as string
    await rig.atFaultPoint('node-1')
    expect((await rig.wire()).length).toBe(0)
    await rig.kill('node-1')
    // It is looked for, not found, and sent again.
    rig.spawn('node-1', { FAULT_POINT: 'ack.heard' })
    await rig.atFaultPoint('node-1')
    expect((await rig.wire()).length).toBe(1)
    await rig.kill('node-1')
    // It is looked for again, and found.
    await rig.launch('node-1')
    await rig.settled()
    const { body } = await rig.rest().get(`/messages/${id}`)
    const steps = (body.history as { status: string; reason?: string }[]).map(({ status, reason }) => reason ?? status)
    expect(steps.filter((step) => step === 'resending').length).toBe(1)
    expect((await rig.wire()).map(({ waMessageId }) => waMessageId)).toEqual([body.waMessageId])
    return `1 line after 2 kills: ${steps.join(' > ')}`
  },
)

row('F04b', 'kill -9 of the node three times before the page has the first of many', async ({ rig: make }) => {
  const rig = await make()
  await rig.sandboxSession('one')
  await rig.kill('node-1')
  const { ledger } = rig
  await ledger.load({ session: 'one', count: 10, rest: () => rig.rest() })
  for (let kill = 1; kill <= 3; kill++) {
    rig.spawn('node-1', { FAULT_POINT: 'dispatch.journaled' })
    await rig.atFaultPoint('node-1')
    await rig.kill('node-1')
  }
  expect((await rig.wire()).length).toBe(0)
  await rig.launch('node-1')
  // The one that was at stake each time asks for a person; those behind it were never touched.
  const held = await until('one is held', async () => {
    const { body } = await rig.rest().get('/messages?status=unknown')
    return (body.data as { id: string; reason: string }[]).find(({ reason }) => reason === 'held')
  })
  await until('the others are sent', async () => (await rig.wire()).length === 9)
  expect((await rig.rest().post(`/messages/${held.id}/resend`, {})).status).toBe(200)
  await rig.settled()
  const lines = (await rig.wire()).map(({ waMessageId }) => waMessageId)
  expect(new Set(lines).size).toBe(10)
  expect(lines.length).toBe(10)
  return '9 sent by themselves, 1 after a person was asked, each once'
})
