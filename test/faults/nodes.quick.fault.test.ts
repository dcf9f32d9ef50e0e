import { cp, mkdir, readdir, rename } from 'node:fs/promises'
import { join } from 'node:path'
import { expect } from 'vitest'
import { sleep } from '../../runtime/clock.js'
import { emptyDatabase } from '../databases.js'
import { driftOf, undoMigrations } from './older-schema.js'
import { until } from '../until.js'
import { full, longRow, row } from './row.js'

const ROLLS = full ? 20 : 2
const SAME_NAME = full ? 200 : 20
const STOPS = (['migration.unrecorded#6', 'migration.unrecorded#1'] as const).slice(0, full ? 2 : 1)

row(
  'F30',
  `SIGTERM to gateway and node in turn, ${ROLLS} times, under 50 requests a second`,
  async ({ rig: make }) => {
    const rig = await make()
    await rig.sandboxSession('one')
    const stopping = new AbortController()
    const loading = rig.ledger.load({
      ...{ session: 'one', count: Number.POSITIVE_INFINITY, perSecond: 50, concurrency: 10 },
      ...{ rest: () => rig.rest(), signal: stopping.signal },
    })
    const slowest = { gateway: 0, node: 0 }
    for (let roll = 0; roll < ROLLS; roll++) {
      await sleep(500 + Math.random() * 1_000)
      for (const kind of ['gateway', 'node'] as const) {
        // Asserts exit code 0 within 25 s and 40 s.
        slowest[kind] = Math.max(slowest[kind], await rig.end(`${kind}-1`))
        await rig.launch(`${kind}-1`)
      }
    }
    stopping.abort()
    await loading
    await rig.settled()
    const stored = await rig.database.outgoing()
    expect((await rig.wire()).length).toBe(stored.length)
    // Nothing that was stored went without its answer: requests in flight are answered before the end.
    expect(stored.length).toBe(rig.ledger.accepted.size)
    return `${rig.ledger.accepted.size} accepted = ${stored.length} stored = lines; slowest end: gateway ${slowest.gateway} ms, node ${slowest.node} ms`
  },
  { timeoutMs: 400_000 },
)

row(
  'F36',
  'two gateways start on an empty database at once, and one is killed within a migration',
  async ({ rig: make }) => {
    const told: string[] = []
    for (const stopAt of STOPS) {
      const database = await emptyDatabase({ name: 'MariaDB' })
      const rig = await make({ databaseUrl: database.url, gateways: 0 })
      rig.prepare('gateway-1')
      rig.prepare('gateway-2')
      rig.spawn('gateway-1', { FAULT_POINT: stopAt })
      await rig.atFaultPoint('gateway-1')
      const waiting = rig.spawn('gateway-2')
      await sleep(3_000)
      // It waits for the lock, and has changed nothing.
      expect(waiting.lines().some(({ msg }) => msg === 'database.migrated' || msg === 'http.listening')).toBe(false)
      await rig.kill('gateway-1')
      await waiting.logged('http.listening')
      await rig.launch('gateway-1')
      const rows = await rig.database.rows<{ name: string }>('SELECT name FROM migrations')
      expect(new Set(rows.map(({ name }) => name)).size).toBe(rows.length)
      const second = rig
        .get('gateway-1')
        .lines()
        .filter(({ msg }) => msg === 'database.migrated')
      expect(second).toEqual([])
      await rig.learnUrl('gateway-1')
      await rig.sandboxSession('one')
      await rig.ledger.send(rig.rest(), 'one')
      await rig.settled()
      told.push(`${stopAt}: the other went on to ${rows.length} migrations`)
    }
    return told.join('; ')
  },
)

longRow(
  'F36',
  'two gateways start on an older schema with rows in it at once, and one is killed within a migration',
  async ({ rig: make }) => {
    const { url } = await emptyDatabase({ name: 'MariaDB' })
    const rig = await make({ databaseUrl: url })
    await rig.sandboxSession('one')
    await rig.ledger.load({ session: 'one', count: 20, rest: () => rig.rest() })
    await rig.settled()
    await rig.end('gateway-1')
    const undone = await undoMigrations(url, 'LostNodes1790000000014')
    const rows = async () => ({
      messages: await rig.database.outgoing(),
      history: await rig.database.rows('SELECT message_id, status FROM message_history ORDER BY message_id, status'),
      events: await rig.database.rows(
        'SELECT id, place, type, body FROM events WHERE node_id IS NOT NULL ORDER BY place',
      ),
    })
    const before = await rows()
    expect(before.messages.length).toBe(20)
    rig.prepare('gateway-2')
    rig.spawn('gateway-1', { FAULT_POINT: 'migration.unrecorded' })
    await rig.atFaultPoint('gateway-1')
    const waiting = rig.spawn('gateway-2')
    await sleep(2_000)
    expect(waiting.lines().some(({ msg }) => msg === 'database.migrated' || msg === 'http.listening')).toBe(false)
    await rig.kill('gateway-1')
    await waiting.logged('http.listening')
    const went = waiting.lines().filter(({ msg }) => msg === 'database.migrated').length
    await rig.launch('gateway-1')
    const after = await rows()
    expect({ ...after, events: after.events.slice(0, before.events.length) }).toEqual(before)
    expect(await driftOf(url)).toEqual([])
    await rig.learnUrl('gateway-2')
    await rig.ledger.load({ session: 'one', count: 5, rest: () => rig.rest('gateway-2') })
    await rig.settled()
    return `${undone} migrations behind; the other did ${went} of them after the kill; no drift; ${before.messages.length} messages and ${before.events.length} events as they were`
  },
)

row('F41', 'the journal of a node is put back from an older copy', async ({ rig: make }) => {
  const rig = await make()
  await rig.sandboxSession('one', { ackDelayMs: 300 })
  const { ledger } = rig
  await ledger.load({ session: 'one', count: 20, rest: () => rig.rest() })
  await rig.settled()
  await rig.end('node-1')
  const own = join(rig.dataDir, 'node-1')
  const copy = join(rig.dataDir, 'copy-of-journal')
  await mkdir(copy)
  await cp(join(own, 'journal.sqlite'), join(copy, 'journal.sqlite'))
  // Goes on: these are sent, and one more is in the node's hands when it is killed.
  await rig.launch('node-1')
  await ledger.load({ session: 'one', count: 5, rest: () => rig.rest() })
  await rig.settled()
  await rig.end('node-1')
  await rig.launch('node-1', { stopAt: 'ack.heard' })
  await rig.sessionIs('one', 'connected')
  for (let number = 0; number < 3; number++) await ledger.send(rig.rest(), 'one')
  await rig.atFaultPoint('node-1')
  await until('it is taken on', async () => {
    const rows = await rig.database.rows('SELECT id FROM messages WHERE awaiting IS NOT NULL')
    return rows.length === 0
  })
  const [before] = await rig.database.rows<{ epoch: string; position: number }>(
    'SELECT epoch, position FROM node_cursors',
  )
  await rig.kill('node-1')
  for (const ending of ['', '-wal', '-shm']) {
    await rename(join(own, `journal.sqlite${ending}`), join(copy, `newer${ending}`)).catch(() => undefined)
  }
  await cp(join(copy, 'journal.sqlite'), join(own, 'journal.sqlite'))
  await rig.launch('node-1')
  await rig.sessionIs('one', 'connected')
  const after = await until('a new epoch', async () => {
    const [row] = await rig.database.rows<{ epoch: string; position: number }>(
      'SELECT epoch, position FROM node_cursors',
    )
    return row?.epoch !== before?.epoch && row
  })
  await ledger.load({ session: 'one', count: 20, rest: () => rig.rest() })
  await rig.settled()
  const doubted = await rig.database.rows(
    `SELECT id FROM events WHERE type = 'message.unknown' AND node_id IS NULL ORDER BY place`,
  )
  const stored = await rig.database.outgoing()
  expect(stored.every(({ status }) => status === 'sent' || status === 'delivered')).toBe(true)
  expect(doubted.length).toBeGreaterThan(0)
  return `epoch ${String(before?.epoch)} at ${String(before?.position)} > ${after.epoch}; ${doubted.length} unfinished ones became unknown and were found; ${stored.length} sent once`
})

row(
  'F09',
  `the same new name is asked for twice at once, with two nodes, ${SAME_NAME} rounds`,
  async ({ rig: make }) => {
    const database = await emptyDatabase({ name: 'MariaDB' })
    const rig = await make({ nodes: 2, gateways: 2, databaseUrl: database.url })
    const answers = new Map<string, number>()
    for (let round = 0; round < SAME_NAME; round++) {
      const wanted = { name: `n${round}`, engine: 'sandbox', sandbox: { phone: '+15550001111', autoPair: true } }
      const both = await Promise.all(['gateway-1', 'gateway-2'].map((name) => rig.rest(name).post('/sessions', wanted)))
      const pair = both
        .map(({ status }) => status)
        .sort()
        .join(' and ')
      answers.set(pair, (answers.get(pair) ?? 0) + 1)
    }
    rig.ledger.phones.add('15550001111')
    expect([...answers.keys()]).toEqual(['201 and 409'])
    const rows = await rig.database.rows<{ name: string; node_id: string }>('SELECT name, node_id FROM sessions')
    expect(new Set(rows.map(({ name }) => name)).size).toBe(SAME_NAME)
    const profiles = await Promise.all(
      ['node-1', 'node-2'].map((name) => readdir(join(rig.dataDir, name, 'profiles')).catch(() => [])),
    )
    // None is left behind by the one that lost.
    expect(profiles.flat().length).toBe(SAME_NAME)
    const nodes = new Map<string, number>()
    for (const { node_id } of rows) nodes.set(node_id, (nodes.get(node_id) ?? 0) + 1)
    return `${[...answers].map(([pair, count]) => `${count} x ${pair}`).join(', ')}; ${rows.length} sessions on ${[...nodes.values()].join(' + ')}`
  },
)
