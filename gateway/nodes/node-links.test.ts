import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { silentLog } from '../../runtime/log.js'
import { startTestNode, type TestNode } from '../../session-node/testing.js'
import { databases } from '../../test/databases.js'
import { startTestGateway, type TestGateway } from '../../test/gateway.js'
import { API, type Talk, talkThrough, text } from '../../test/messages.js'
import { until } from '../../test/until.js'
import { createGateway, type Gateway } from '../gateway.js'

interface Shown {
  id: string
  type: string
  sequence: number
  data: { messageId?: string }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  return port
}

describe.each(databases())('following a node on $name', (target) => {
  let test: TestGateway
  let talk: Talk
  let node: TestNode
  let gateway: Gateway

  beforeEach(async () => {
    // Both keep their address when they start again.
    const [port, nodePort] = [await freePort(), await freePort()]
    test = await startTestGateway({
      target,
      config: { port },
      node: { config: { listen: `127.0.0.1:${nodePort}` } },
    })
    talk = talkThrough(test)
    node = test.nodes[0] as TestNode
    gateway = test.gateway
  })
  afterEach(async () => {
    await gateway.stop()
    await node.stop({ keep: true })
    await test.stop()
  })

  const startAgain = async () => {
    gateway = createGateway(test.config, { log: silentLog() })
    await gateway.start()
  }
  const events = async (session: string): Promise<Shown[]> => {
    const all: Shown[] = []
    for (let cursor = ''; ;) {
      const { body } = await test.ask('GET', `${API}/events?limit=500&session=${session}${cursor}`)
      if (body.data.length === 0) return all
      all.push(...body.data)
      cursor = `&cursor=${body.nextCursor}`
    }
  }

  it('keeps what is accepted while the node is away, says so, and hands it over in order when it is back', async () => {
    const session = await talk.linked()
    await node.stop({ keep: true })
    await until('the node is missed', async () => {
      const { body } = await test.ask('GET', `${API}/nodes`)
      return body.data[0].reachable === false
    })
    const ids: string[] = []
    for (let i = 0; i < 30; i++) {
      const { status, body } = await talk.send(session, text(`away ${i}`))
      expect(status).toBe(202)
      ids.push(body.id)
    }
    const waiting = await test.ask('GET', `${API}/messages/${ids[0]}`)
    expect(waiting.body).toMatchObject({ status: 'pending', reason: 'node_unreachable', nextAction: 'hand_over' })
    // No node can have this one, so it can be taken back, and time can run out for it.
    const back = await test.ask('DELETE', `${API}/messages/${ids.pop()}`)
    expect(back.body).toMatchObject({ status: 'failed', reason: 'cancelled' })
    const short = await talk.send(session, text('short', { expiresInSeconds: 1 }))
    expect(await talk.reaches(short.body.id, 'failed')).toMatchObject({ reason: 'expired' })

    node = await node.restart()
    await talk.reaches(ids.at(-1) ?? '', 'delivered')
    const sent = (await events(session)).filter(({ type }) => type === 'message.sent')
    expect(sent.map(({ data }) => data.messageId)).toEqual(ids)
  })

  it('goes on after a restart of the gateway where it had stopped: no event is missing, none comes twice', async () => {
    const session = await talk.linked()
    const ids: string[] = []
    for (let i = 0; i < 20; i++) ids.push((await talk.send(session, text(`before ${i}`))).body.id)
    await gateway.stop()
    const { sessions } = await node.client.call('ListSessions', {})
    for (let i = 0; i < 10; i++) {
      await node.client.call('DriveSandbox', {
        sessionId: sessions[0]?.sessionId ?? '',
        receive: { from: '491700000009', content: { content: 'text', text: { body: `meanwhile ${i}` } } },
      })
    }
    await startAgain()
    const received = await talk.listed(`session=${session}&direction=in`, 10)
    expect(received.map(({ text }) => text.body).reverse()).toEqual(
      Array.from({ length: 10 }, (_, i) => `meanwhile ${i}`),
    )
    for (const id of ids) await talk.reaches(id, 'delivered')
    const all = await events(session)
    expect(all.map(({ sequence }) => sequence)).toEqual(all.map((_, index) => index + 1))
    expect(new Set(all.map(({ id }) => id)).size).toBe(all.length)
    for (const type of ['message.sent', 'message.delivered']) {
      expect(all.filter((event) => event.type === type).map(({ data }) => data.messageId)).toEqual(ids)
    }
  })

  it('takes a message back that its node has only once the node says that it did not go out', async () => {
    const session = await talk.linked({}, { pacing: { gapMs: 60_000 } })
    const [first, second] = [await talk.send(session, text('one')), await talk.send(session, text('two'))]
    await talk.reaches(first.body.id, 'delivered')
    const path = `${API}/messages/${second.body.id}`
    await until('the node has it', async () => (await test.ask('GET', path)).body.nextAction === 'send')
    await node.stop({ keep: true })
    expect(await test.ask('DELETE', path)).toMatchObject({ status: 503, body: { code: 'node_unavailable' } })
    expect((await test.ask('GET', path)).body).toMatchObject({ status: 'pending' })
    node = await node.restart()
    const taken = await until('the node answers', async () => {
      const answer = await test.ask('DELETE', path)
      return answer.status !== 503 && answer
    })
    expect(taken).toMatchObject({ status: 200, body: { status: 'failed', reason: 'cancelled' } })
    const sent = (await events(session)).filter(({ type }) => type === 'message.sent')
    expect(sent.map(({ data }) => data.messageId)).toEqual([first.body.id])
  })

  it('makes a session known again to a node that has lost everything, and has it look for what it knows no more', async () => {
    const session = await talk.linked({}, { pacing: { gapMs: 60_000 } })
    const first = await talk.send(session, text('one'))
    await talk.reaches(first.body.id, 'delivered')
    const second = await talk.send(session, text('two'))
    await until('the node has it', async () => {
      const { body } = await test.ask('GET', `${API}/messages/${second.body.id}`)
      return body.nextAction === 'send'
    })
    const before = (await test.ask('GET', `${API}/sessions/${session}`)).body
    const { nodeId } = await node.client.call('GetNode', {})
    await node.stop()
    const [target] = test.config.nodes
    node = await startTestNode({ config: { listen: target ?? '', nodeId: nodeId as `nod_${string}` } })
    // There is no trace of it, so that it is sent.
    const { history } = await talk.reaches(second.body.id, 'delivered')
    const reasons = (history as { reason?: string }[]).flatMap(({ reason }) => reason ?? [])
    expect(reasons).toEqual(['outcome_unknown', 'resending'])
    await talk.sessionReads(session, 'connected')
    expect((await test.ask('GET', `${API}/sessions/${session}`)).body.id).toBe(before.id)
    expect((await test.ask('GET', `${API}/messages/${first.body.id}`)).body.status).toBe('delivered')
  })
})

describe('two gateways on MariaDB', () => {
  it('stops at once while the lease of a node is being taken', async () => {
    const test = await startTestGateway({ target: { name: 'MariaDB' } })
    const began = performance.now()
    await test.stop()
    expect(performance.now() - began).toBeLessThan(10_000)
  })

  it('share a node: one follows it, what either accepts is sent, and the other takes over', async () => {
    const test = await startTestGateway({ target: { name: 'MariaDB' } })
    const other = createGateway({ ...test.config, port: 0 }, { log: silentLog() })
    try {
      await other.start()
      const talk = talkThrough(test)
      const session = await talk.linked()
      const headers = { 'X-API-Key': test.config.adminApiKey ?? '', 'Content-Type': 'application/json' }
      const sendThere = async (body: string) => {
        const path = `${other.localUrl()}${API}/sessions/${session}/messages`
        const answer = await fetch(path, {
          method: 'POST',
          headers: { ...headers, Prefer: 'wait=20' },
          body: JSON.stringify(text(body)),
        })
        return { status: answer.status, body: (await answer.json()) as { id: string; status: string } }
      }
      expect(await sendThere('one')).toMatchObject({ status: 200 })
      const here = await talk.send(session, text('two'), { Prefer: 'wait=20' })
      expect(here.status).toBe(200)
      await until('the one that does not follow knows that the node is heard', async () => {
        const answer = await fetch(`${other.localUrl()}${API}/nodes`, { headers })
        const { data } = (await answer.json()) as { data: { lastHeardAt?: string }[] }
        return Date.now() - Date.parse(data[0]?.lastHeardAt ?? '') < 10_000
      })
      await test.gateway.stop()
      expect(await sendThere('three')).toMatchObject({ status: 200 })
    } finally {
      await other.stop()
      await test.stop()
    }
  })
})
