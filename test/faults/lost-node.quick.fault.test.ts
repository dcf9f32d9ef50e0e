import { readFile, rename } from 'node:fs/promises'
import { join } from 'node:path'
import { expect } from 'vitest'
import { until } from '../until.js'
import type { Rig } from './rig.js'
import { row } from './row.js'

interface Shown {
  id: string
  status: string
  reason?: string
  nextAction?: string
  node?: string
  waMessageId: string
  reachable?: boolean
  lostAt?: string
}

row('F40', 'the disk of a node is lost, its session is linked elsewhere, and it comes back', async ({ rig: make }) => {
  const rig = await make({ nodes: 2 })
  const get = async (path: string) => (await rig.rest().get<Shown>(path)).body
  const reads = (path: string, what: Partial<Shown>) =>
    until(`${path} reads ${JSON.stringify(what)}`, async () => {
      const shown = await get(path)
      return Object.entries(what).every(([name, value]) => shown[name as keyof Shown] === value) ? shown : undefined
    })
  const send = async () => {
    const id = String(await rig.ledger.send(rig.rest(), 'shop'))
    return { ...(await get(`/messages/${id}`)), path: `/messages/${id}` }
  }
  const nodes = async () => (await rig.rest().get<{ data: Shown[] }>('/nodes')).body.data
  const wire = async (folder: string) => {
    const lines = (await readFile(join(rig.dataDir, folder, 'sandbox', 'wire.log'), 'utf8')).split('\n').filter(Boolean)
    return lines.map((line) => (JSON.parse(line) as { waMessageId: string }).waMessageId).sort()
  }
  const ids = (...of: Shown[]) => of.map(({ waMessageId }) => waMessageId).sort()

  await rig.sandboxSession('shop')
  // From the second message on each waits for its turn, so that the node has them and has not sent them.
  await rig.rest().patch('/sessions/shop', { pacing: { gapMs: 600_000, jitterMs: 0 } })
  const { node: lost = '' } = await get('/sessions/shop')
  const sent = await send()
  await reads(sent.path, { status: 'delivered' })
  const taken = await send()
  await reads(taken.path, { nextAction: 'send' })
  const dropped = await send()
  await reads(dropped.path, { nextAction: 'send' })

  expect((await rig.rest().delete(`/nodes/${lost}`)).status).toBe(409)
  const name = await processOf(rig, lost)
  await rig.kill(name)
  await rename(join(rig.dataDir, name), join(rig.dataDir, `${name}-away`))
  await until('the node is away', async () => (await nodes()).some(({ id, reachable }) => id === lost && !reachable))
  await reads('/sessions/shop', { status: 'disconnected', reason: 'node_unreachable' })
  const waiting = await send()
  expect(waiting).toMatchObject({ reason: 'node_unreachable', nextAction: 'hand_over' })
  await until('it is given up', async () => (await rig.rest().delete(`/nodes/${lost}`)).status === 204)

  await reads('/sessions/shop', { status: 'logged_out', reason: 'node_lost' })
  expect((await nodes()).find(({ id }) => id === lost)?.lostAt).toBeDefined()
  expect(await get(waiting.path)).toMatchObject({ status: 'pending', nextAction: 'hand_over' })
  for (const { path } of [taken, dropped]) {
    expect(await get(path)).toMatchObject({ status: 'unknown', reason: 'node_lost', nextAction: 'decide' })
  }
  expect(await get(sent.path)).toMatchObject({ status: 'delivered' })

  // A person decides, before or after the session is linked on another node.
  expect((await rig.rest().post(`${taken.path}/resend`, {})).status).toBe(200)
  expect((await rig.rest().post(`${dropped.path}/settle`, { status: 'failed' })).status).toBe(200)
  await rig.rest().patch('/sessions/shop', { pacing: { gapMs: 0, jitterMs: 0 } })
  expect((await rig.rest().post('/sessions/shop/start', {})).status).toBe(200)
  const again = await reads('/sessions/shop', { status: 'connected' })
  expect(again.node).not.toBe(lost)
  for (const { path } of [waiting, taken]) await reads(path, { status: 'delivered' })
  const [other = ''] = ['node-1', 'node-2'].filter((known) => known !== name)
  expect(await wire(`${name}-away`)).toEqual(ids(sent))
  expect(await wire(other)).toEqual(ids(waiting, taken))

  // The disk was not lost after all: another node has the session by now.
  await rename(join(rig.dataDir, `${name}-away`), join(rig.dataDir, name))
  await rig.launch(name)
  await rig.get('gateway-1').logged('session.stray_stopped', { node: lost })
  await rig.get(name).logged('session.status', { reason: 'placed_elsewhere' })
  expect(await reads('/sessions/shop', { status: 'connected' })).toMatchObject({ node: again.node })
  expect(await get(dropped.path)).toMatchObject({ status: 'failed', reason: 'settled_failed' })
  const after = await send()
  await reads(after.path, { status: 'delivered' })
  expect(await wire(other)).toEqual(ids(waiting, taken, after))
  // Nothing of what it still had queued went out from there.
  expect(await wire(name)).toEqual(ids(sent))
  return `1 not taken sent from the new node; 2 taken became unknown (node_lost): 1 sent again on request, 1 settled; the old node stopped its session when it came back; ${(await rig.wire()).length} lines`
})

/** Which process a node's id belongs to. */
async function processOf(rig: Rig, nodeId: string): Promise<string> {
  for (const name of ['node-1', 'node-2']) {
    if ((await rig.get(name).logged('node.started')).node === nodeId) return name
  }
  throw new Error(`No process is ${nodeId}`)
}
