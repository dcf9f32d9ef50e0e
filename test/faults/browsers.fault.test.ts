import { lstat, readdir, readlink, symlink, unlink } from 'node:fs/promises'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { expect } from 'vitest'
import { sleep } from '../../runtime/clock.js'
import { browsersOn } from '../processes.js'
import { until } from '../until.js'
import type { Rig, RigOptions } from './rig.js'
import { row, storm } from './row.js'

const WITH_WHATSAPP: RigOptions = { simulator: { allRegistered: true } }

/** A number linked by the QR code of a session of the real engine. */
async function link(rig: Rig, name: string, number: string): Promise<string> {
  const phone = await rig.simulator?.whatsapp.phone(number, { name })
  rig.ledger.phones.add(number)
  const pacing = { gapMs: 0, jitterMs: 0, messagesPerDay: 0 }
  const made = await rig.rest().post('/sessions', { name, pacing })
  expect(made.status).toBe(201)
  const { qr } = await until(
    'a QR code',
    async () => {
      const { status, body } = await rig.rest().get(`/sessions/${name}/qr`, { accept: 'application/json' })
      return status === 200 && (body as { qr: string })
    },
    { timeoutMs: 60_000 },
  )
  rig.ledger.secrets.add(qr)
  await phone?.scan(qr)
  await rig.sessionIs(name, 'connected')
  return String(made.body.id)
}

const browsers = (rig: Rig) => browsersOn(rig.dataDir)
const qrsTold = async (rig: Rig) =>
  (await rig.database.rows(`SELECT id FROM events WHERE type = 'session.qr_pending'`)).length
const restartsFor = async (rig: Rig, reason: string) =>
  (await rig.database.rows<{ body: string }>(`SELECT body FROM events WHERE type = 'session.disconnected'`)).filter(
    ({ body }) => (JSON.parse(body) as { reason?: string }).reason === reason,
  ).length

async function everySentOnce(rig: Rig): Promise<number> {
  await rig.settled(180_000)
  const stored = (await rig.database.outgoing()).map((message) => message.wa_message_id).sort()
  expect((await rig.wire()).map(({ waMessageId }) => waMessageId).sort()).toEqual(stored)
  return stored.length
}

row('F03', 'kill -9 of the node after the page has the message, before that is kept', async ({ rig: make }) => {
  const rig = await make(WITH_WHATSAPP)
  await link(rig, 'shop', '4915100000001')
  const qrs = await qrsTold(rig)
  await rig.end('node-1')
  await rig.launch('node-1', { stopAt: 'dispatch.sent' })
  await rig.sessionIs('shop', 'connected')
  const id = (await rig.ledger.send(rig.rest(), 'shop')) as string
  await rig.atFaultPoint('node-1', 60_000)
  await until('WhatsApp has it', async () => (await rig.wire()).length === 1)
  expect(browsers(rig).length).toBeGreaterThan(0)
  await rig.kill('node-1')
  const began = performance.now()
  await until('the browser is gone', () => browsers(rig).length === 0, { timeoutMs: 5_000 })
  const goneMs = Math.round(performance.now() - began)
  await rig.launch('node-1')
  await rig.sessionIs('shop', 'connected', 90_000)
  expect(await everySentOnce(rig)).toBe(1)
  expect(await qrsTold(rig)).toBe(qrs)
  const { body } = await rig.rest().get(`/messages/${id}`)
  const steps = (body.history as { status: string; reason?: string }[]).map(({ status, reason }) => reason ?? status)
  expect(steps).not.toContain('resending')
  return `1 line: ${steps.join(' > ')}; browser gone ${goneMs} ms after the kill; no new QR`
})

row('F05', 'kill -9 of Chromium while 100 messages are sent', async ({ rig: make }) => {
  const rig = await make(WITH_WHATSAPP)
  await link(rig, 'shop', '4915100000001')
  const qrs = await qrsTold(rig)
  await rig.ledger.load({ session: 'shop', count: 100, concurrency: 10, rest: () => rig.rest() })
  await until('some are on their way', async () => (await rig.wire()).length >= 20, { everyMs: 10, timeoutMs: 60_000 })
  const before = (await rig.wire()).length
  for (const { pid } of browsers(rig)) process.kill(pid, 'SIGKILL')
  const began = performance.now()
  await rig.sessionIs('shop', 'disconnected', 30_000)
  await rig.sessionIs('shop', 'connected', 60_000)
  const backMs = Math.round(performance.now() - began)
  expect(await everySentOnce(rig)).toBe(100)
  expect(await restartsFor(rig, 'browser_crashed')).toBe(1)
  expect(await qrsTold(rig)).toBe(qrs)
  return `100 distinct ids, 0 twice; killed after ${before} of them; connected again after ${backMs} ms; 1 restart (browser_crashed), no new QR`
})

row(
  'F07',
  'kill -9 of a node with 3 sessions, started again at once, 4 rounds',
  async ({ rig: make }) => {
    const rig = await make(WITH_WHATSAPP)
    const names = ['one', 'two', 'three']
    const ids: string[] = []
    for (const [index, name] of names.entries()) ids.push(await link(rig, name, `491510000000${index + 1}`))
    const qrs = await qrsTold(rig)
    const took: number[] = []
    for (let round = 0; round < 4; round++) {
      for (const name of names) await rig.ledger.send(rig.rest(), name)
      await rig.kill('node-1')
      const killed = await now(rig)
      const began = performance.now()
      await rig.launch('node-1')
      // What the row says of a session is old until the node has told it anew.
      await until('all are connected', () => connectedAfter(rig, killed, ids), { timeoutMs: 90_000, everyMs: 200 })
      took.push(Math.round(performance.now() - began))
    }
    const sent = await everySentOnce(rig)
    expect(await qrsTold(rig)).toBe(qrs)
    return `3 connected after ${took.join(', ')} ms; ${sent} messages sent once; never two browsers on a profile; no new QR`
  },
  { timeoutMs: 500_000 },
)

/** A moment in what the gateway has stored. */
async function now(rig: Rig): Promise<number> {
  const [row] = await rig.database.rows<{ place: number | null }>('SELECT MAX(place) AS place FROM events')
  return Number(row?.place ?? 0)
}

/** The last that was told of each session after that moment is that it is connected. */
async function connectedAfter(rig: Rig, place: number, ids: string[]): Promise<boolean> {
  const told = await rig.database
    .rows<{ session_id: string; type: string }>(
      `SELECT session_id, type FROM events WHERE type LIKE 'session.%' AND place > ${place} ORDER BY place`,
    )
    .catch(() => [])
  const last = new Map(told.map(({ session_id, type }) => [session_id, type]))
  return ids.every((id) => last.get(id) === 'session.connected')
}

row(
  'F08',
  "Chromium's lock is there already: of a dead process, of another host, of a browser left over",
  async ({ rig: make }) => {
    const rig = await make(WITH_WHATSAPP)
    const id = await link(rig, 'shop', '4915100000001')
    const profile = join(rig.dataDir, 'node-1', 'profiles', id, 'chromium')
    const lock = join(profile, 'SingletonLock')
    const told: string[] = []
    for (const owner of [`${hostname()}-999999`, 'container-that-was-7']) {
      await rig.end('node-1')
      await unlink(lock).catch(() => undefined)
      await symlink(owner, lock)
      const planted = await now(rig)
      await rig.launch('node-1')
      await until('connected', () => connectedAfter(rig, planted, [id]), { timeoutMs: 60_000 })
      const removals = rig
        .get('node-1')
        .lines()
        .filter(({ msg }) => msg === 'browser.foreign_lock_removed').length
      expect(removals).toBe(owner.startsWith(hostname()) ? 0 : 1)
      expect(await readlink(lock)).not.toBe(owner)
      told.push(`${owner}: started, ${removals} lock removed by us`)
    }
    // Stopped, so that its browser does not see by its pipe that the node died at once.
    const [left] = browsers(rig)
    process.kill(left?.pid ?? 0, 'SIGSTOP')
    await rig.kill('node-1')
    const frozen = await now(rig)
    expect((await lstat(lock)).isSymbolicLink()).toBe(true)
    await rig.launch('node-1')
    await until('connected', () => connectedAfter(rig, frozen, [id]), { timeoutMs: 60_000 })
    expect(browsers(rig).some(({ pid }) => pid === left?.pid)).toBe(false)
    expect(
      rig
        .get('node-1')
        .lines()
        .some(({ msg }) => msg === 'browser.left_over_ended'),
    ).toBe(true)
    told.push('left over and frozen: ended first')
    expect((await readdir(profile)).length).toBeGreaterThan(0)
    return told.join('; ')
  },
)

row('F34', '50 calls of start, stop and restart on one session at once', async ({ rig: make }) => {
  const rig = await make(WITH_WHATSAPP)
  const id = await link(rig, 'shop', '4915100000001')
  const qrs = await qrsTold(rig)
  const before = await now(rig)
  const commands = Array.from({ length: 49 }, (_, index) => ['start', 'stop', 'restart'][index % 3] as string)
  const calls = commands.map((command) => rig.rest().post(`/sessions/shop/${command}`))
  await sleep(50)
  calls.push(rig.rest().post('/sessions/shop/restart'))
  const answers = (await Promise.all(calls)).map(({ status }) => status)
  expect(answers.filter((status) => status >= 500)).toEqual([])
  await until('the last one counts', () => connectedAfter(rig, before, [id]), { timeoutMs: 90_000 })
  await sleep(3_000)
  expect((await rig.rest().get('/sessions/shop')).body.status).toBe('connected')
  expect(new Set(browsers(rig).map(({ command }) => command)).size).toBe(1)
  expect(rig.output()).not.toMatch(/already exists/)
  expect(await qrsTold(rig)).toBe(qrs)
  await rig.ledger.send(rig.rest(), 'shop')
  await everySentOnce(rig)
  const generations = rig.lines().flatMap(({ generation }) => (typeof generation === 'number' ? [generation] : []))
  return `answers ${[...new Set(answers)].join(', ')}; connected at the end, after ${Math.max(1, ...generations)} generations; one browser throughout`
})

const ROUNDS = storm ? 10 : 2

row(
  'REAL',
  `100 messages by the real engine while Chromium, node and gateway are killed in turn, ${ROUNDS} times each`,
  async ({ rig: make }) => {
    const rig = await make(WITH_WHATSAPP)
    const id = await link(rig, 'shop', '4915100000001')
    const qrs = await qrsTold(rig)
    const stopping = new AbortController()
    const loading = rig.ledger.load({
      ...{ session: 'shop', count: 100, perSecond: 100 / (ROUNDS * 25), concurrency: 5 },
      ...{ rest: () => rig.rest(), signal: stopping.signal },
    })
    for (let round = 0; round < ROUNDS; round++) {
      await sleep(Math.random() * 2_000)
      const crashed = await now(rig)
      for (const { pid } of browsers(rig)) process.kill(pid, 'SIGKILL')
      await sleep(Math.random() * 4_000)
      await rig.kill('gateway-1')
      await rig.launch('gateway-1')
      await until('connected again', () => connectedAfter(rig, crashed, [id]), { timeoutMs: 120_000, everyMs: 200 })
      await sleep(Math.random() * 2_000)
      // Its restarts are counted anew by the next one, so that the breaker stays closed.
      await rig.kill('node-1')
      const killed = await now(rig)
      await rig.launch('node-1')
      await until('connected again', () => connectedAfter(rig, killed, [id]), { timeoutMs: 120_000, everyMs: 200 })
    }
    await loading
    const sent = await everySentOnce(rig)
    expect(await qrsTold(rig)).toBe(qrs)
    return `${rig.ledger.accepted.size} accepted, ${sent} stored, each in WhatsApp once; no new QR`
  },
  { timeoutMs: 1_500_000 },
)
