import { expect } from 'vitest'
import { until } from '../until.js'
import type { Hurry } from './hurried-node.js'
import { everySentOnce, link, qrsTold, WITH_WHATSAPP } from './real-sessions.js'
import type { Rig } from './rig.js'
import { row } from './row.js'

/** A hundredth of the true times, and less patience with a page that does not load. */
const SCALE = 100
const hurry: Hurry = {
  session: {
    launchGapMs: 50,
    backoffMs: { first: 2_000 / SCALE, most: 300_000 / SCALE },
    // The time in which five deaths are too many is longer: a launch takes as long as it takes.
    breaker: { restarts: 5, withinMs: 120_000, pauseMs: 900_000 / SCALE },
  },
  browser: { launchMs: 8_000 },
}
const DEATHS = 11

row(
  'F35',
  `a page that throws at each load, ${DEATHS} times, with times scaled 1:${SCALE}`,
  async ({ rig: make }) => {
    const rig = await make({
      ...WITH_WHATSAPP,
      entry: (name) => (name === 'node-1' ? 'test/faults/hurried-node.ts' : undefined),
      env: () => ({ HURRY: JSON.stringify(hurry) }),
    })
    const broken = await link(rig, 'broken', '4915100000001')
    await link(rig, 'well', '4915100000002')
    const qrs = await qrsTold(rig)
    const stopping = new AbortController()
    const loading = rig.ledger.load({
      ...{ session: 'well', count: Number.POSITIVE_INFINITY, perSecond: 5, concurrency: 2 },
      ...{ rest: () => rig.rest(), signal: stopping.signal },
    })

    await rig.simulator?.whatsapp.fault({ op: 'page', mode: 'throw', count: DEATHS })
    await rig.rest().post('/sessions/broken/restart')
    await until('it has died so often', () => deaths(rig, broken).length >= DEATHS, { timeoutMs: 450_000 })
    await rig.sessionIs('broken', 'connected', 120_000)
    stopping.abort()
    await loading

    const died = deaths(rig, broken)
    const waits = died.map(({ waitMs }) => Math.round((Number(waitMs) * SCALE) / 100) / 10)
    // 2, 4, 8, 16 s, give or take a fifth; from the fifth on the breaker's pause of 900 s before each further trial.
    for (const [index, wait] of waits.entries()) {
      const planned = index < 4 ? 2 ** (index + 1) : 900
      expect(wait / planned).toBeGreaterThanOrEqual(0.79)
      expect(wait / planned).toBeLessThanOrEqual(1.21)
    }
    expect(died.map(({ broken: open }) => open)).toEqual(died.map((_, index) => index >= 4))
    const alerts = died.filter(({ level }) => level >= 50).map(({ attempt }) => attempt)
    expect(alerts).toEqual([5, 10])
    // What was announced is what was waited.
    const gaps = died.slice(1).map(({ time }, index) => msBetween(died[index]?.time, time))
    for (const [index, gap] of gaps.entries()) expect(gap).toBeGreaterThanOrEqual(Number(died[index]?.waitMs) - 20)

    const others = rig.lines().filter(({ msg, session }) => msg === 'session.died' && session !== broken)
    expect(others).toEqual([])
    await rig.ledger.send(rig.rest(), 'broken')
    const sent = await everySentOnce(rig)
    expect(await qrsTold(rig)).toBe(qrs)
    return `waits of ${waits.join(', ')} s; breaker open from the 5th; alerts at ${alerts.join(', ')}; connected once the page loads again; the other session sent ${sent - 1} meanwhile without a restart`
  },
  { timeoutMs: 700_000 },
)

const deaths = (rig: Rig, id: string) =>
  rig.lines().filter(({ msg, session }) => msg === 'session.died' && session === id)

const msBetween = (from: unknown, to: unknown) => Date.parse(String(to)) - Date.parse(String(from))
