import { readFileSync } from 'node:fs'
import { expect } from 'vitest'
import { sleep } from '../../runtime/clock.js'
import { TcpProxy } from '../tcp-proxy.js'
import { until } from '../until.js'
import type { Rig } from './rig.js'
import { type Row, row } from './row.js'

/** Keepalive asks after 20 s and waits 10 s. */
const NOTICED_MS = 30_000
const SLACK_MS = 5_000

const portOf = (address: string) => Number(address.split(':').at(-1))

async function behindProxy({ rig: make, afterwards }: Row) {
  const ports = { node: 0, proxy: 0 }
  let proxy: TcpProxy | undefined
  const rig = await make({
    nodesThrough: async ([address = '']) => {
      ports.node = portOf(address)
      proxy = new TcpProxy(ports.node)
      await proxy.start()
      ports.proxy = portOf(proxy.address)
      return [proxy.address]
    },
  })
  if (!proxy) throw new Error('There is no proxy')
  const standing = proxy
  afterwards(() => standing.stop())
  return { rig, proxy: standing, ports }
}

/** Connections of this machine that stand, as `local port-remote port`. */
function established(matches: (local: number, remote: number) => boolean): string[] {
  return readFileSync('/proc/net/tcp', 'utf8')
    .split('\n')
    .slice(1)
    .flatMap((line) => {
      const [, local = '', remote = '', state] = line.trim().split(/\s+/)
      const [from, to] = [local, remote].map((end) => Number.parseInt(end.split(':')[1] ?? '', 16))
      return state === '01' && matches(from ?? 0, to ?? 0) ? [`${from}-${to}`] : []
    })
}

function steadyLoad(rig: Rig) {
  const stopping = new AbortController()
  const load = { session: 'one', count: Number.POSITIVE_INFINITY, perSecond: 20, concurrency: 5 }
  const loading = rig.ledger.load({ ...load, rest: () => rig.rest(), signal: stopping.signal })
  return async () => {
    stopping.abort()
    await loading
  }
}

const shown = async (rig: Rig) => (await rig.rest().get('/sessions/one')).body as { status: string; reason?: string }

row('F43', 'the connection between gateway and node stands, and nothing passes', async (given) => {
  const { rig, proxy, ports } = await behindProxy(given)
  await rig.sandboxSession('one')
  const stop = steadyLoad(rig)
  await until('some are sent', async () => (await rig.wire()).length > 20)
  const ends = {
    gateway: { of: (_: number, remote: number) => remote === ports.proxy, goneMs: 0 },
    node: { of: (local: number) => local === ports.node, goneMs: 0 },
  }
  await proxy.set('blackHole')
  const began = performance.now()
  const since = () => Math.round(performance.now() - began)
  const accepted = rig.ledger.accepted.size
  const freed = Object.values(ends).map(async (end) => {
    const stood = established(end.of)
    expect(stood.length).toBeGreaterThan(0)
    const gone = () => !established(end.of).some((connection) => stood.includes(connection))
    await until('its side has let go', gone, { timeoutMs: NOTICED_MS + SLACK_MS, everyMs: 100 })
    end.goneMs = since()
  })
  await until('the status is true', async () => (await shown(rig)).reason === 'node_unreachable', {
    timeoutMs: 20_000,
  })
  const readMs = since()
  expect((await shown(rig)).status).toBe('disconnected')
  // Ten seconds from when the node was last heard: it asks every three.
  expect(readMs).toBeGreaterThan(6_500)
  await Promise.all(freed)
  const meanwhile = rig.ledger.accepted.size - accepted
  expect(meanwhile).toBeGreaterThan(0)
  expect(rig.ledger.refusals).toEqual([])
  await proxy.set('fair')
  const fair = performance.now()
  await rig.sessionIs('one', 'connected', 30_000)
  const backMs = Math.round(performance.now() - fair)
  await stop()
  await rig.settled()
  expect((await rig.wire()).length).toBe((await rig.database.outgoing()).length)
  return `read as node_unreachable after ${readMs} ms; gateway let go after ${ends.gateway.goneMs} ms, node after ${ends.node.goneMs} ms; ${meanwhile} accepted meanwhile and sent once; back ${backMs} ms after it passed again`
})

row('F43', 'the connection between gateway and node is slow, is reset, is refused, closes late', async (given) => {
  const { rig, proxy } = await behindProxy(given)
  await rig.sandboxSession('one')
  const stop = steadyLoad(rig)
  const goesOn = async (what: string) => {
    const before = (await rig.wire()).length
    await until(`messages are sent: ${what}`, async () => (await rig.wire()).length > before + 10)
    await rig.sessionIs('one', 'connected')
  }
  await goesOn('fair')
  proxy.latencyMs = 300
  await goesOn('300 ms each way')
  proxy.slowCloseMs = 2_000
  const backMs: Record<string, number> = {}
  for (const weather of ['reset', 'down', 'reset', 'down'] as const) {
    await proxy.set(weather)
    await sleep(1_000)
    await proxy.set('fair')
    const began = performance.now()
    await goesOn(`after ${weather}`)
    backMs[weather] = Math.max(backMs[weather] ?? 0, Math.round(performance.now() - began))
  }
  await stop()
  await rig.settled()
  expect(rig.ledger.refusals).toEqual([])
  expect((await rig.wire()).length).toBe((await rig.database.outgoing()).length)
  return `goes on with 300 ms each way; after a reset within ${backMs['reset']} ms, after refusals within ${backMs['down']} ms; ${rig.ledger.accepted.size} sent once`
})
