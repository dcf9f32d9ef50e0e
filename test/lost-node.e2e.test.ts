/** F40: a node whose disk is lost, and that comes back after all. Real processes, sandbox sessions. */
import { readFile, rename } from 'node:fs/promises'
import { join } from 'node:path'
import type { MessageId, SessionId } from '../proto/contract.js'
import { outgoingToProto } from '../proto/mapping.js'
import { createNodeClient } from '../proto/node-client.js'
import { anOutgoing } from '../session-node/testing.js'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Network, startNetwork } from './network.js'
import { until } from './until.js'

const CLUSTER_TOKEN = 'for-the-nodes-of-this-test'

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

describe('a session node that is lost for good', () => {
  let network: Network
  beforeAll(async () => {
    network = await startNetwork({ processes: 2, env: { CLUSTER_TOKEN } })
  })
  afterAll(() => network.stop())

  const get = async (path: string) => (await network.rest.get<Shown>(path)).body
  const reads = (path: string, what: Partial<Shown>) =>
    until(`${path} reads ${JSON.stringify(what)}`, async () => {
      const shown = await get(path)
      return Object.entries(what).every(([name, value]) => shown[name as keyof Shown] === value) ? shown : undefined
    })
  const send = async (body: string) => {
    const message = { to: '+4915112345678', type: 'text', text: { body } }
    const { status: code, body: sent } = await network.rest.post<Shown>('/sessions/shop/messages', message)
    return { ...sent, code, path: `/messages/${sent.id}` }
  }
  const nodes = async () => (await network.rest.get<{ data: Shown[] }>('/nodes')).body.data
  const dataDirOf = (name: string) => join(network.dataDir, name)
  const wire = async (dataDir: string) => {
    const lines = (await readFile(join(dataDir, 'sandbox', 'wire.log'), 'utf8')).split('\n').filter(Boolean)
    return lines.map((line) => (JSON.parse(line) as { waMessageId: string }).waMessageId)
  }

  it('gives its sessions and messages back, and stops its own when it returns', async () => {
    const sandbox = { phone: '+15550101234', autoPair: true }
    // The second message waits for its turn, so that the node has it and has not sent it.
    const wanted = { name: 'shop', engine: 'sandbox', sandbox, pacing: { gapMs: 600_000 } }
    expect((await network.rest.post('/sessions', wanted)).status).toBe(201)
    const { node: lost = '' } = await reads('/sessions/shop', { status: 'connected' })
    const sent = await send('arrived')
    await reads(sent.path, { status: 'delivered' })
    const taken = await send('taken on')
    await reads(taken.path, { nextAction: 'send' })
    const dropped = await send('taken on as well')
    await reads(dropped.path, { nextAction: 'send' })

    expect((await network.rest.delete(`/nodes/${lost}`)).status).toBe(409)
    const name = await processOf(network, lost)
    await network.get(name).kill()
    const away = dataDirOf(`${name}-away`)
    await rename(dataDirOf(name), away)
    await until('the node is away', async () => (await nodes()).some(({ id, reachable }) => id === lost && !reachable))
    await reads('/sessions/shop', { status: 'disconnected', reason: 'node_unreachable' })
    const waiting = await send('not taken')
    expect(waiting).toMatchObject({ code: 202, reason: 'node_unreachable', nextAction: 'hand_over' })
    await until('it is given up', async () => (await network.rest.delete(`/nodes/${lost}`)).status === 204)

    await reads('/sessions/shop', { status: 'logged_out', reason: 'node_lost' })
    expect((await nodes()).find(({ id }) => id === lost)?.lostAt).toBeDefined()
    expect(await get(waiting.path)).toMatchObject({ status: 'pending', nextAction: 'hand_over' })
    for (const { path } of [taken, dropped]) {
      expect(await get(path)).toMatchObject({ status: 'unknown', reason: 'node_lost', nextAction: 'decide' })
    }
    expect(await get(sent.path)).toMatchObject({ status: 'delivered' })

    // A person decides, before or after the session is linked on another node.
    expect((await network.rest.post(`${taken.path}/resend`, {})).status).toBe(200)
    expect((await network.rest.post(`${dropped.path}/settle`, { status: 'failed' })).status).toBe(200)
    await network.rest.patch('/sessions/shop', { pacing: { gapMs: 0, jitterMs: 0 } })
    expect((await network.rest.post('/sessions/shop/start', {})).status).toBe(200)
    const again = await reads('/sessions/shop', { status: 'connected' })
    expect(again.node).not.toBe(lost)
    for (const { path } of [waiting, taken]) await reads(path, { status: 'delivered' })

    const [other = ''] = ['node-1', 'node-2'].filter((known) => known !== name)
    const ids = (...of: Shown[]) => of.map(({ waMessageId }) => waMessageId).sort()
    expect(await wire(away)).toEqual(ids(sent))
    expect((await wire(dataDirOf(other))).sort()).toEqual(ids(waiting, taken))

    // The disk was not lost after all: another node has the session by now. Until a gateway says what this node may
    // send, it sends nothing of what it had, although its session is connected and nothing else holds it up.
    await network.get('gateway').stop()
    await rename(away, dataDirOf(name))
    const { address } = await (await network.again(name)).logged('rpc.listening')
    const alone = await waitingOn(String(address), again.id as SessionId)
    expect(await wire(dataDirOf(name))).toEqual(ids(sent))
    await network.again('gateway')
    await network.get('gateway').logged('session.stray_stopped', { node: lost })
    await alone.fails
    await network.get(name).logged('session.status', { reason: 'placed_elsewhere' })
    expect(await reads('/sessions/shop', { status: 'connected' })).toMatchObject({ node: again.node })
    expect(await get(dropped.path)).toMatchObject({ status: 'failed', reason: 'settled_failed' })
    const after = await send('after')
    await reads(after.path, { status: 'delivered' })
    expect((await wire(dataDirOf(other))).sort()).toEqual(ids(waiting, taken, after))
    expect(await wire(dataDirOf(name))).toEqual(ids(sent))
  })
})

/**
 * Hands a message over to a node whose gateway is away, as the bot does, and waits until it is told why it waits: then
 * the queue before it waits, too.
 */
async function waitingOn(address: string, sessionId: SessionId) {
  const client = createNodeClient(address, { insecure: false, token: CLUSTER_TOKEN })
  const ending = new AbortController()
  const items = client.watch({ sessionIds: [sessionId], from: { epoch: '', position: 0 }, signal: ending.signal })
  const reading = items[Symbol.asyncIterator]()
  const told = async (id: MessageId | undefined, status: string, reason?: string) => {
    for (let next = await reading.next(); !next.done; next = await reading.next()) {
      if (next.value.kind !== 'event') continue
      const { body } = next.value.event
      if (id === undefined && body.kind === 'session_status' && body.session.status === status) return
      if (body.kind === 'message_status' && body.messageId === id && body.status === status && body.reason === reason)
        return
    }
    throw new Error(`The node did not tell that it is ${status} (${reason})`)
  }
  await client.call('UpdateSession', { sessionId, pacing: { gapMs: 0, jitterMs: 0, messagesPerDay: 0 } })
  const message = anOutgoing({ origin: 'telegram' })
  await client.call('SendMessages', { sessionId, messages: [outgoingToProto(message)] })
  await told(message.id, 'pending', 'gateway_away')
  const fails = told(message.id, 'failed', 'placed_elsewhere').finally(() => {
    ending.abort()
    client.close()
  })
  return { fails }
}

/** Which process a node's id belongs to. */
async function processOf(network: Network, nodeId: string): Promise<string> {
  for (const name of ['node-1', 'node-2']) {
    if ((await network.get(name).logged('node.started')).node === nodeId) return name
  }
  throw new Error(`No process is ${nodeId}`)
}
