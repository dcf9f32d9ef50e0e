import { expect } from 'vitest'
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
  WITH_WHATSAPP,
  writing,
} from './real-sessions.js'
import type { Rig } from './rig.js'
import { row } from './row.js'

const ANNA = '4915100000001'
const BEN = '4915100000002'
const LIMIT_MS = 90_000

const times = (rig: Rig, message: string) => rig.lines().filter(({ msg }) => msg === message).length

row(
  'F32',
  'pages that lose their way: left while the library puts itself in, ready too soon, unheard or never, loaded anew',
  async ({ rig: make }) => {
    const rig = await make(WITH_WHATSAPP)
    const whatsapp = rig.simulator?.whatsapp
    const told: string[] = []

    await whatsapp?.fault({ op: 'page', mode: 'navigate' })
    let began = performance.now()
    const id = await link(rig, 'shop', ANNA)
    expect(performance.now() - began).toBeLessThan(LIMIT_MS)
    expect(times(rig, 'whatsapp.inject_repeated')).toBe(1)
    told.push('navigation in the first inject: put in twice, linked')
    const qrs = await qrsTold(rig)

    const ben = await phoneOf(rig, BEN, 'Ben')
    const stop = writing(ben, ANNA, 200)
    const written: string[] = []
    for (const syncMode of ['premature', 'early'] as const) {
      await whatsapp?.configure({ syncMode })
      const before = await now(rig)
      began = performance.now()
      await rig.rest().post('/sessions/shop/restart')
      await until('connected again', () => connectedAfter(rig, before, [id]), { timeoutMs: LIMIT_MS })
      // Heard from then on, and not only looked up later.
      const { id: heard } = await ben.sendText(ANNA, `after ${syncMode}`)
      await until('it is heard', async () => (await received(rig)).includes(heard), { timeoutMs: 10_000 })
      told.push(`${syncMode} sync: connected after ${seconds(began)} s`)
      written.push(heard)
    }

    await whatsapp?.configure({ syncMode: 'normal' })
    const [browser] = browsers(rig)
    const reconnected: number[] = []
    for (let reload = 0; reload < 5; reload++) {
      const before = await now(rig)
      for (let message = 0; message < 5; message++) await rig.ledger.send(rig.rest(), 'shop')
      began = performance.now()
      await (await phoneOf(rig, ANNA)).reload()
      await until('connected again', () => connectedAfter(rig, before, [id]), { timeoutMs: LIMIT_MS })
      reconnected.push(seconds(began))
    }
    expect(times(rig, 'session.died')).toBe(0)
    expect(browsers(rig).map(({ pid }) => pid)).toContain(browser?.pid)
    told.push(`5 reloads: connected after ${Math.min(...reconnected)} to ${Math.max(...reconnected)} s, 0 restarts`)

    await whatsapp?.configure({ syncMode: 'never' })
    began = performance.now()
    await rig.rest().post('/sessions/shop/restart')
    await rig.get('node-1').logged('session.status', { status: 'starting', reason: 'syncing' })
    await until('it is given up', () => times(rig, 'session.died') > 0, { timeoutMs: LIMIT_MS })
    const gaveUp = seconds(began)
    await whatsapp?.configure({ syncMode: 'normal' })
    const before = await now(rig)
    await until('connected again', () => connectedAfter(rig, before, [id]), { timeoutMs: LIMIT_MS })
    const [died] = rig.lines().filter(({ msg }) => msg === 'session.died')
    expect(died?.reason).toBe('ready_timeout')
    told.push(`never ready: restarted after ${gaveUp} s`)

    written.push(...(await stop()))
    await until('all is heard', async () => (await received(rig)).length >= written.length)
    expect((await received(rig)).sort()).toEqual(written.sort())
    const sent = await everySentOnce(rig)
    expect(await qrsTold(rig)).toBe(qrs)
    return `${told.join('; ')}; all ${written.length} messages to it heard once, ${sent} sent once; no new QR`
  },
  { timeoutMs: 500_000 },
)

const seconds = (since: number) => Math.round((performance.now() - since) / 100) / 10
