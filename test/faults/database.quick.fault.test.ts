import { createConnection } from 'mysql2/promise'
import { expect } from 'vitest'
import { sleep } from '../../runtime/clock.js'
import { startDatabaseServer } from '../database-server.js'
import { emptyDatabase, emptyMariadb } from '../databases.js'
import { until } from '../until.js'
import { full, longRow, type Row, row } from './row.js'

async function onOwnServer({ rig, afterwards }: Row) {
  const server = await startDatabaseServer()
  afterwards(() => server.stop())
  return { server, rig: await rig({ databaseUrl: (await emptyMariadb(server.url)).url }) }
}

const AWAY_MS = full ? 30_000 : 4_000

row('F11', `MariaDB is stopped for ${AWAY_MS / 1_000} s under 50 requests a second`, async (given) => {
  const { server, rig } = await onOwnServer(given)
  await rig.sandboxSession('one')
  const { ledger } = rig
  const { pid } = rig.get('gateway-1')
  const stopping = new AbortController()
  // Each request once: what is answered is what is counted.
  let asked = 0
  const loading = (async () => {
    const underWay: Promise<unknown>[] = []
    const began = performance.now()
    for (let number = 0; !stopping.signal.aborted; number++) {
      await sleep(began + number * 20 - performance.now(), stopping.signal)
      asked += 1
      underWay.push(ledger.send(rig.rest(), 'one'))
    }
    await Promise.all(underWay)
  })()
  const status = async (path: string) =>
    (await fetch(`${rig.rest().url}${path}`, { signal: AbortSignal.timeout(5_000) })).status
  await sleep(2_000)
  await server.halt('SIGTERM')
  const away = performance.now()
  const seen: [live: number, ready: number][] = []
  while (performance.now() - away < AWAY_MS) {
    seen.push([await status('/livez'), await status('/readyz')])
    await sleep(1_000)
  }
  await server.resume()
  const back = performance.now()
  await until('ready again', async () => (await status('/readyz')) === 200, { timeoutMs: 5_000 })
  const readyMs = Math.round(performance.now() - back)
  await sleep(2_000)
  stopping.abort()
  await loading
  expect(seen.filter(([live, ready]) => live !== 200 || ready !== 503)).toEqual([])
  expect(rig.get('gateway-1').pid).toBe(pid)
  expect(rig.get('gateway-1').ended()).toBe(false)
  expect(ledger.unanswered).toBe(0)
  const refused = ledger.refusals.filter((refusal) => refusal.status !== 503 || Number(refusal.retryAfter) < 1)
  expect(refused).toEqual([])
  expect(ledger.accepted.size + ledger.refusals.length).toBe(asked)
  const slowest = Math.round(Math.max(...ledger.refusals.map(({ ms }) => ms)))
  await rig.settled()
  return `${asked} asked = ${ledger.accepted.size} x 202 + ${ledger.refusals.length} x 503 with Retry-After (slowest ${slowest} ms); ready ${readyMs} ms after it was back`
})

longRow('F13', 'transactions that wait for each other, and a lock that is held for 5 s', async ({ rig: make }) => {
  const database = await emptyDatabase({ name: 'MariaDB' })
  const rig = await make({ databaseUrl: database.url, gateways: 2 })
  for (const name of ['one', 'two', 'three']) await rig.sandboxSession(name, { ackDelayMs: 1 })
  const deadlocks = async () => {
    const [row] = await rig.database.rows<{ Value: string }>(`SHOW GLOBAL STATUS LIKE 'Innodb_deadlocks'`)
    return Number(row?.Value)
  }
  const deadlocksBefore = await deadlocks()
  const storm = new AbortController()
  const { ledger } = rig
  let turn = 0
  const load = () =>
    Promise.all(
      ['one', 'two', 'three'].map((session) =>
        ledger.load({ session, count: 200, concurrency: 7, rest: () => rig.rest(`gateway-${(turn++ % 2) + 1}`) }),
      ),
    )
  // Others that touch the same rows, in ever other orders.
  const others = Array.from({ length: 4 }, async () => {
    const connection = await createConnection(database.url)
    while (!storm.signal.aborted) {
      await connection.beginTransaction()
      for (const order of [
        ['message_position', 'event_place'],
        ['event_place', 'message_position'],
      ].at(turn % 2) ?? []) {
        await connection.query('UPDATE counters SET value = value WHERE name = ?', [order]).catch(() => undefined)
      }
      await connection.query('UPDATE session_sequences SET sequence = sequence').catch(() => undefined)
      await connection.rollback().catch(() => undefined)
      await sleep(Math.random() * 20)
    }
    await connection.end()
  })
  await load()
  storm.abort()
  await Promise.all(others)
  const deadlocked = (await deadlocks()) - deadlocksBefore
  expect(deadlocked).toBeGreaterThan(0)
  const refusedInStorm = ledger.refusals.length
  expect(ledger.refusals.filter(({ status }) => status !== 503)).toEqual([])

  const holder = await createConnection(database.url)
  await holder.beginTransaction()
  await holder.query("UPDATE counters SET value = value WHERE name = 'message_position'")
  const before = ledger.refusals.length
  const began = performance.now()
  await ledger.send(rig.rest(), 'one')
  const heldMs = Math.round(performance.now() - began)
  const held = ledger.refusals.at(before)
  await sleep(5_000 - heldMs)
  await holder.rollback()
  await holder.end()
  expect(held?.status).toBe(503)
  expect(heldMs).toBeLessThan(3_000)
  await rig.settled()
  await until(
    'no transaction is open',
    async () =>
      (await rig.database.rows<{ count: number }>('SELECT COUNT(*) AS count FROM information_schema.innodb_trx'))[0]
        ?.count === 0,
    { timeoutMs: 5_000 },
  )
  return `${ledger.accepted.size} accepted through ${deadlocked} deadlocks, ${refusedInStorm} told to come again; behind the held lock: ${held?.status} ${held?.code} after ${heldMs} ms; no transaction left open`
})

longRow(
  'F10',
  'the gateway that follows the node freezes, another takes over, and it comes back',
  async ({ rig: make }) => {
    const database = await emptyDatabase({ name: 'MariaDB' })
    const rig = await make({ databaseUrl: database.url, gateways: 2 })
    await rig.sandboxSession('one')
    const { ledger } = rig
    const follower = async () => {
      const [row] = await rig.database.rows<{ holder: string; fence: number }>('SELECT holder, fence FROM node_cursors')
      return row
    }
    const takenOver: number[] = []
    for (let round = 0; round < 2; round++) {
      const before = await follower()
      // Which process it is, its log says: the newest that followed.
      const names = ['gateway-1', 'gateway-2']
      const fenceOf = (name: string) =>
        Math.max(
          0,
          ...rig
            .get(name)
            .lines()
            .flatMap(({ msg, fence }) => (msg === 'node.followed' ? Number(fence) : [])),
        )
      const [old, other] = names.sort((left, right) => fenceOf(right) - fenceOf(left)) as [string, string]
      expect(fenceOf(old)).toBe(Number(before?.fence))
      const stopping = new AbortController()
      const both = rig.ledger.load({
        ...{ session: 'one', count: Number.POSITIVE_INFINITY, perSecond: 50, concurrency: 10 },
        ...{ rest: () => rig.rest(other), signal: stopping.signal },
      })
      const also = ledger.send(rig.rest(old), 'one')
      await also
      rig.get(old).signal('SIGSTOP')
      const began = performance.now()
      await until('the other follows', async () => Number((await follower())?.fence) > Number(before?.fence), {
        timeoutMs: 30_000,
      })
      takenOver.push(Math.round(performance.now() - began))
      await sleep(1_000)
      rig.get(old).signal('SIGCONT')
      await sleep(2_000)
      stopping.abort()
      await both
      await rig.settled()
      // The old one does not take it back while the new one lives.
      expect(Number((await follower())?.fence)).toBe(fenceOf(other))
    }
    const wire = await rig.wire()
    expect(wire.length).toBe((await rig.database.outgoing()).length)
    return `taken over after ${takenOver.join(' and ')} ms; ${ledger.accepted.size} accepted, ${wire.length} lines; one follower at a time`
  },
)

const KILLS = full ? 3 : 1

row('F12', `kill -9 of MariaDB (${KILLS} x) under 200 requests a second, retried with their keys`, async (given) => {
  const { server, rig } = await onOwnServer(given)
  await rig.sandboxSession('one')
  const { ledger } = rig
  const asked = full ? 2_000 : 600
  const loading = ledger.load({
    ...{ session: 'one', count: asked, perSecond: 200, concurrency: 40, keys: true, rest: () => rig.rest() },
  })
  for (let kill = 0; kill < KILLS; kill++) {
    await sleep(1_000 + Math.random() * 1_500)
    await server.halt('SIGKILL')
    await server.resume()
  }
  await loading
  await rig.settled()
  // Each key has one id; the invariants say so too.
  expect(ledger.byKey.size).toBe(asked)
  const stored = await rig.database.outgoing()
  expect(stored.length).toBe(asked)
  expect((await rig.wire()).length).toBe(asked)
  const codes = [...ledger.answers].map(([status, count]) => `${count} x ${status}`).join(', ')
  return `${asked} keys, ${ledger.accepted.size} ids, ${stored.length} stored and sent once; answers: ${codes}, ${ledger.unanswered} without`
})

row(
  'F22',
  '100 requests with one key at once, another body, again after kill -9, and after 72 hours',
  async ({ rig: make }) => {
    const rig = await make({ clocks: true })
    await rig.sandboxSession('one')
    const headers = { 'idempotency-key': 'order-77' }
    const message = rig.ledger.message()
    const ask = (body: unknown) => rig.rest().post('/sessions/one/messages', body, headers)
    const answers = await Promise.all(Array.from({ length: 100 }, () => ask(message)))
    const accepted = answers.filter(({ status }) => status === 202)
    const ids = new Set(accepted.map(({ body }) => body.id as string))
    expect(answers.every(({ status }) => status === 202 || status === 409)).toBe(true)
    expect(ids.size).toBe(1)
    const replayed = accepted.filter((answer) => answer.headers.get('idempotency-replayed') === 'true').length
    expect(replayed).toBe(accepted.length - 1)
    expect((await ask(rig.ledger.message())).status).toBe(422)
    await rig.kill('gateway-1')
    await rig.launch('gateway-1')
    const again = await ask(message)
    expect([again.status, ids.has(again.body.id)]).toEqual([202, true])
    await rig.settled()
    expect((await rig.wire()).length).toBe(1)
    // A gateway that starts that much later: one whose clock is set while it runs keeps its own count.
    const hours72 = 72 * 3_600_000
    const askLater = async (ms: number) => {
      await rig.end('gateway-1')
      await rig.shiftClock('gateway-1', ms)
      await rig.launch('gateway-1')
      return ask(message)
    }
    const before = await askLater(hours72 - 60_000)
    expect([before.status, ids.has(before.body.id)]).toEqual([202, true])
    const after = await askLater(hours72 + 1_000)
    expect([after.status, ids.has(after.body.id)]).toEqual([202, false])
    expect(after.headers.get('idempotency-replayed')).toBe(null)
    await rig.settled()
    expect((await rig.wire()).length).toBe(2)
    return `${accepted.length} x 202 with one id, ${replayed} of them replayed; another body 422; the same id after kill -9 and before 72 h; a new one at 72 h + 1 s`
  },
)
