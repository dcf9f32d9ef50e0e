import { expect } from 'vitest'
import { sleep } from '../../runtime/clock.js'
import { browserTree } from '../../session-node/whatsapp/wwebjs/process-tree.js'
import { until } from '../until.js'
import type { Hurry } from './hurried-node.js'
import {
  browsers,
  connectedAfter,
  everySentOnce,
  link,
  now,
  phoneOf,
  qrsTold,
  received,
  WITH_WHATSAPP,
} from './real-sessions.js'
import { endProcess } from './process-state.js'
import { row } from './row.js'

const ANNA = '4915100000001'
const HANGING = 5

/** Probes each second instead of each 30, and sends that are given up after 5 s instead of 45. */
const hurry: Hurry = { session: { probeMs: 1_000 }, browser: { sendMs: 5_000 } }

row('STILL', 'a browser stands still (SIGSTOP) while messages are sent, and says no word', async ({ rig: make }) => {
  const rig = await make({
    ...WITH_WHATSAPP,
    entry: (name) => (name === 'node-1' ? 'test/faults/hurried-node.ts' : undefined),
    env: () => ({ HURRY: JSON.stringify(hurry) }),
  })
  const id = await link(rig, 'shop', ANNA)
  const qrs = await qrsTold(rig)
  const loading = rig.ledger.load({ session: 'shop', count: 30, concurrency: 5, perSecond: 20, rest: () => rig.rest() })
  await until('some are on their way', async () => (await rig.wire()).length >= 5, { everyMs: 10 })
  const stopped = browserTree(/--user-data-dir=(\S+)/.exec(browsers(rig)[0]?.command ?? '')?.[1] ?? '')
  expect(stopped.length).toBeGreaterThan(1)
  for (const pid of stopped) process.kill(pid, 'SIGSTOP')
  const before = await now(rig)
  const began = performance.now()
  await loading
  await until('connected again', () => connectedAfter(rig, before, [id]), { timeoutMs: 90_000 })
  const backMs = Math.round(performance.now() - began)
  const [died] = rig.lines().filter(({ msg }) => msg === 'session.died')
  expect(died?.reason).toBe('page_unresponsive')
  const left = browsers(rig).filter(({ pid }) => stopped.includes(pid))
  expect(left).toEqual([])
  const sent = await everySentOnce(rig)
  expect(await qrsTold(rig)).toBe(qrs)
  return `noticed by the probe (${String(died?.reason)}), ended and connected again after ${backMs} ms; ${sent} sent once; no new QR`
})

row(
  'HANG',
  `${HANGING} messages hang in the page when the browser, the node or the page goes`,
  async ({ rig: make }) => {
    const rig = await make(WITH_WHATSAPP)
    const id = await link(rig, 'shop', ANNA)
    const anna = await phoneOf(rig, ANNA)
    const ben = await phoneOf(rig, '4915112345678', 'Ben')
    const qrs = await qrsTold(rig)
    await rig.ledger.send(rig.rest(), 'shop')
    await everySentOnce(rig)
    const ends: Record<string, () => Promise<unknown>> = {
      'Chromium killed': async () => browsers(rig).forEach(({ pid }) => endProcess(pid)),
      'node killed': async () => {
        await rig.kill('node-1')
        await rig.launch('node-1')
      },
      'page loaded anew': () => anna.reload(),
      'line lost': () => anna.cut(),
    }
    const told: string[] = []
    for (const [how, end] of Object.entries(ends)) {
      await anna.fault({ op: 'send', mode: 'hang', count: HANGING })
      const wire = (await rig.wire()).length
      for (let message = 0; message < HANGING; message++) await rig.ledger.send(rig.rest(), 'shop')
      // They are stored in the page, and nobody outside is told.
      await sleep(1_500)
      expect((await rig.wire()).length).toBe(wire)
      const before = await now(rig)
      const began = performance.now()
      await end()
      if (how !== 'line lost') {
        await until('connected again', () => connectedAfter(rig, before, [id]), { timeoutMs: 60_000 })
      }
      await everySentOnce(rig)
      await rig.simulator?.whatsapp.clearFaults()
      told.push(`${how}: sent once after ${Math.round((performance.now() - began) / 100) / 10} s`)
    }
    // The person got each once.
    expect((await ben.received()).length).toBe((await rig.wire()).length)
    expect(await received(rig)).toEqual([])
    expect(await qrsTold(rig)).toBe(qrs)
    return `${told.join('; ')}; no new QR`
  },
)
