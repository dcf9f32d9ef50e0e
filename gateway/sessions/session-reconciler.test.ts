import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { startTestGateway, type TestGateway } from '../../test/gateway.js'
import { until } from '../../test/until.js'
import type { TestNode } from '../../session-node/testing.js'

const SESSIONS = '/api/v1/sessions'

describe('sessions while their node is away', () => {
  let test: TestGateway
  let node: TestNode
  let address: string
  let ahead = 0

  beforeEach(async () => {
    ahead = 0
    const outside = { nodes: () => [address ?? ''].filter(Boolean), clock: () => Date.now() + ahead, everyMs: 100 }
    address = ''
    test = await startTestGateway({ outside })
    node = test.nodes[0] as TestNode
    address = node.node.address()
    await until('the gateway has found its node', async () => {
      const { body } = await test.ask('GET', '/readyz')
      return body.nodes.some(({ reachable }: { reachable: boolean }) => reachable)
    })
  })
  afterEach(() => test.stop())

  const create = async (name: string, more: object = {}) =>
    (
      await test.ask('POST', SESSIONS, {
        name,
        engine: 'sandbox',
        sandbox: { phone: '15550100', autoPair: true },
        ...more,
      })
    ).body
  const get = async (name: string) => (await test.ask('GET', `${SESSIONS}/${name}`)).body
  const reads = (name: string, status: string) =>
    until(`${name} reads ${status}`, async () => {
      const session = await get(name)
      return session.status === status ? session : undefined
    })
  const goAway = async () => {
    await node.stop({ keep: true })
    await until('the gateway knows that its node is away', async () => {
      const { body } = await test.ask('GET', '/readyz')
      return body.nodes.every(({ reachable }: { reachable: boolean }) => !reachable)
    })
  }
  const comeBack = async () => {
    node = await node.restart()
    test.nodes[0] = node
    address = node.node.address()
  }

  it('read disconnected (node_unreachable) after ten seconds, and the truth again when it is back', async () => {
    await create('a')
    await create('stopped', { start: false })
    await reads('a', 'connected')
    await goAway()
    ahead += 11_000
    expect(await get('a')).toMatchObject({ status: 'disconnected', reason: 'node_unreachable' })
    expect((await test.ask('GET', `${SESSIONS}?status=disconnected`)).body.data).toMatchObject([{ name: 'a' }])
    expect((await test.ask('GET', `${SESSIONS}?status=connected`)).body.data).toEqual([])
    expect(await get('stopped')).toMatchObject({ status: 'created' })
    await comeBack()
    expect(await reads('a', 'connected')).toMatchObject({ phone: '+15550100' })
  })

  it('answer 503 and when to ask again to what needs the node, and nothing changes', async () => {
    await create('a')
    await reads('a', 'connected')
    await goAway()
    for (const [method, path] of [
      ['POST', 'stop'],
      ['POST', 'restart'],
      ['POST', 'logout'],
      ['GET', 'screenshot'],
      ['GET', 'qr'],
      ['GET', 'numbers/15550111'],
    ] as const) {
      const answer = await test.ask(method, `${SESSIONS}/a/${path}`)
      expect({ path, ...answer }).toMatchObject({ path, status: 503, body: { code: 'node_unreachable' } })
      expect(answer.headers.get('retry-after')).toMatch(/^\d+$/)
    }
    expect(await test.ask('POST', SESSIONS, { name: 'b', engine: 'sandbox' })).toMatchObject({
      status: 503,
      body: { code: 'no_node_available' },
    })
    await comeBack()
    await reads('a', 'connected')
  })

  it('are deleted once it answers, and only then is the name free', async () => {
    const { id } = await create('a')
    await reads('a', 'connected')
    await goAway()
    expect(await test.ask('DELETE', `${SESSIONS}/a`)).toMatchObject({ status: 202, body: { id, reason: 'deleting' } })
    expect(await test.ask('POST', `${SESSIONS}/a/start`)).toMatchObject({
      status: 409,
      body: { code: 'session_deleting' },
    })
    expect(await test.ask('POST', SESSIONS, { name: 'a', engine: 'sandbox' })).toMatchObject({ status: 409 })
    await comeBack()
    await until('the session is gone', async () => (await test.ask('GET', `${SESSIONS}/a`)).status === 404)
    const { sessions } = await node.client.call('ListSessions', {})
    expect(sessions).toEqual([])
    expect((await create('a')).id).not.toBe(id)
  })

  it('are started when the node never heard of them, with the pacing that they have by now', async () => {
    const { id } = await create('a')
    await reads('a', 'connected')
    // As if the call had been lost: the row says running, and the node knows nothing.
    await node.client.call('DeleteSession', { sessionId: id })
    const known = await until('the node has the session again', async () => {
      const { sessions } = await node.client.call('ListSessions', {})
      return sessions.find(({ sessionId }) => sessionId === id)
    })
    expect(known).toMatchObject({ name: 'a', engine: 'sandbox' })
    await goAway()
    expect(await test.ask('PATCH', `${SESSIONS}/a`, { pacing: { gapMs: 77 } })).toMatchObject({ status: 200 })
    await comeBack()
    await until('the node has the pacing', async () => {
      const { sessions } = await node.client.call('ListSessions', {})
      return sessions[0]?.pacing?.gapMs === 77
    })
  })
})
