import { lstat, readdir, readlink, symlink, unlink } from 'node:fs/promises'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { expect } from 'vitest'
import { sleep } from '../../runtime/clock.js'
import { until } from '../until.js'
import {
  browsers,
  connectedAfter,
  everySentOnce,
  link,
  now,
  phoneOf,
  qrsTold,
  received,
  restartsFor,
  WITH_WHATSAPP,
} from './real-sessions.js'
import { full, longRow, row } from './row.js'

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

const MESSAGES = full ? 100 : 30

row('F05', `kill -9 of Chromium while ${MESSAGES} messages are sent`, async ({ rig: make }) => {
  const rig = await make(WITH_WHATSAPP)
  await link(rig, 'shop', '4915100000001')
  const qrs = await qrsTold(rig)
  // Slowly enough for the kill to come in between.
  const loading = rig.ledger.load({
    ...{ session: 'shop', count: MESSAGES, concurrency: 10, perSecond: 40, rest: () => rig.rest() },
  })
  await until('some are on their way', async () => (await rig.wire()).length >= MESSAGES / 5, {
    everyMs: 10,
    timeoutMs: 60_000,
  })
  const before = (await rig.wire()).length
  for (const { pid } of browsers(rig)) process.kill(pid, 'SIGKILL')
  const began = performance.now()
  await rig.sessionIs('shop', 'disconnected', 30_000)
  await rig.sessionIs('shop', 'connected', 60_000)
  await loading
  const backMs = Math.round(performance.now() - began)
  expect(await everySentOnce(rig)).toBe(MESSAGES)
  expect(await restartsFor(rig, 'browser_crashed')).toBe(1)
  expect(await qrsTold(rig)).toBe(qrs)
  return `${MESSAGES} distinct ids, 0 twice; killed after ${before} of them; connected again after ${backMs} ms; 1 restart (browser_crashed), no new QR`
})

const SESSIONS = full ? 5 : 2
const ROUNDS = full ? 20 : 1

row(
  'F07',
  `kill -9 of a node with ${SESSIONS} sessions, started again at once, ${ROUNDS} rounds`,
  async ({ rig: make }) => {
    const rig = await make(WITH_WHATSAPP)
    const names = Array.from({ length: SESSIONS }, (_, index) => `s${index + 1}`)
    const ids: string[] = []
    for (const [index, name] of names.entries()) ids.push(await link(rig, name, `491510000000${index + 1}`))
    const qrs = await qrsTold(rig)
    const took: number[] = []
    for (let round = 0; round < ROUNDS; round++) {
      for (const name of names) await rig.ledger.send(rig.rest(), name)
      await rig.kill('node-1')
      const killed = await now(rig)
      const began = performance.now()
      await rig.launch('node-1')
      // What the row says of a session is old until the node has told it anew.
      await until('all are connected', () => connectedAfter(rig, killed, ids), { timeoutMs: 60_000, everyMs: 200 })
      took.push(Math.round((performance.now() - began) / 100) / 10)
    }
    const sent = await everySentOnce(rig)
    expect(await qrsTold(rig)).toBe(qrs)
    expect(rig.lines().filter(({ msg }) => msg === 'browser.foreign_lock_removed')).toEqual([])
    return `${SESSIONS} connected after ${Math.min(...took)} to ${Math.max(...took)} s; ${sent} messages sent once; never two browsers on a profile; no lock removed; no new QR`
  },
  { timeoutMs: 60_000 + ROUNDS * 90_000 },
)

longRow(
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
  // Heard once: no listener of an earlier generation is left.
  const ben = await phoneOf(rig, '4915100000002', 'Ben')
  const { id: heard } = await ben.sendText('4915100000001', 'hello')
  await until('it is heard', async () => (await received(rig)).length > 0)
  expect(await received(rig)).toEqual([heard])
  const generations = rig.lines().flatMap(({ generation }) => (typeof generation === 'number' ? [generation] : []))
  return `answers ${[...new Set(answers)].join(', ')}; connected at the end, after ${Math.max(1, ...generations)} generations; one browser throughout`
})
