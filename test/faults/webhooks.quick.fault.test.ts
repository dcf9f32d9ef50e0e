import { verify as verifyHub } from '@octokit/webhooks-methods'
import { expect } from 'vitest'
import { until } from '../until.js'
import { eventOf } from '../webhook-catcher.js'
import { header, hookedRig } from './hooked-rig.js'
import { full, row } from './row.js'

/** The real one a thousand times as fast; what comes after its fourth attempt is over soon. */
const SCHEDULE = '0,5,300,1800,1,2,3,4,5,6'
const plannedMs = [0, 5, 300, 1_800]

row('F16', 'a receiver answers 500 three times, then 200; another one for ever', async (given) => {
  const world = await hookedRig(given, { schedule: SCHEDULE })
  const { rig, sink } = world
  await rig.sandboxSession('one')
  const [late, dead] = [await world.hook('/late', { signature: 'hub' }), await world.hook('/dead')]
  const ordered = await world.hook('/ordered', { ordered: true })
  const hubs: Promise<boolean>[] = []
  let deadAnswers = 500
  sink.reply = (caught) => {
    if (caught.path === '/dead') return deadAnswers
    if (caught.path === '/late') {
      hubs.push(verifyHub(late.secret, caught.body.toString(), header(caught, 'x-hub-signature-256')))
    }
    return sink.at(caught.path).length <= 3 ? 500 : 200
  }
  await world.receive(1)
  const gapsOf: Record<string, number[]> = {}
  for (const hook of [late, ordered]) {
    const { attempts } = await world.delivery(hook, ({ status }) => status === 'succeeded')
    expect(attempts.map(({ status }) => status)).toEqual([500, 500, 500, 200])
    const gaps = attempts.map(({ at }, index) => Date.parse(at) - Date.parse(attempts[index - 1]?.at ?? at))
    // Jitter only adds; what is more than a fifth comes from a busy machine.
    gaps.forEach((gap, index) => expect(gap, `${hook.path} ${index}`).toBeGreaterThanOrEqual(plannedMs[index] ?? 0))
    gapsOf[hook.path] = gaps
  }
  const caught = sink.at('/late')
  expect(new Set(caught.map(({ body }) => body.toString())).size).toBe(1)
  // Signed anew each time: more than a second lies between the first and the last.
  const signedAt = caught.map((each) => Number(header(each, 'webhook-timestamp')))
  expect(signedAt.at(-1)).toBeGreaterThan(Number(signedAt[0]))
  expect(await Promise.all(hubs)).toEqual([true, true, true, true])

  const exhausted = await world.delivery(dead, ({ status }) => status === 'exhausted', 60_000)
  expect(exhausted.attempts.length).toBe(10)
  expect((await world.deliveries(dead, '&status=exhausted')).map(({ id }) => id)).toEqual([exhausted.id])
  const retry = async () => expect((await rig.rest().post(`/deliveries/${exhausted.id}/retry`)).status).toBe(202)
  await retry()
  await world.delivery(dead, ({ status, attempts }) => status === 'exhausted' && attempts.length === 11)
  expect(sink.at('/dead').length).toBe(11)
  deadAnswers = 200
  await retry()
  await world.delivery(dead, ({ status }) => status === 'succeeded')
  expect(new Set(sink.caught.map(({ id }) => id)).size).toBe(1)
  expect(sink.caught.every((each) => eventOf(each).id === each.id)).toBe(true)
  expect(sink.problems).toEqual([])
  return `attempts ${gapsOf['/late']?.join(', ')} ms after one another, the same webhook-id; exhausted after 10, one more for each retry`
})

row('F19', 'receivers that are gone, and that ask for time', async (given) => {
  const world = await hookedRig(given, { clocks: true })
  const { rig, sink } = world
  await rig.sandboxSession('one')
  const retryAfter: Record<string, string> = {
    '/seconds': '120',
    '/date': new Date(Date.now() + 600_000).toUTCString(),
    '/garbage': 'soon, I hope',
    '/weeks': String(30 * 86_400),
  }
  const gone = await world.hook('/gone')
  const hooks = await Promise.all(Object.keys(retryAfter).map((path) => world.hook(path)))
  let better = false
  sink.reply = ({ path }) => {
    if (path === '/gone') return 410
    return better ? 204 : { status: 429, headers: { 'retry-after': String(retryAfter[path]) } }
  }
  await world.receive(1)
  await until('the one that is gone is disabled', async () => (await world.status(gone)) === 'disabled')
  expect(sink.at('/gone').length).toBe(1)

  const waits: Record<string, number> = {}
  for (const hook of hooks) {
    const { attempts, nextAttemptAt = '' } = await world.delivery(hook, ({ attempts }) => attempts.length === 1)
    waits[hook.path] = Math.round((Date.parse(nextAttemptAt) - Date.parse(attempts[0]?.at ?? '')) / 1_000)
  }
  expect(waits['/seconds']).toBeGreaterThanOrEqual(120)
  expect(waits['/date']).toBeGreaterThanOrEqual(595)
  expect(waits['/garbage']).toBeGreaterThanOrEqual(60)
  expect(waits['/garbage']).toBeLessThan(120)
  expect(waits['/weeks']).toBeGreaterThanOrEqual(86_400)
  expect(waits['/weeks']).toBeLessThan(86_400 * 1.3)

  // Nothing before its time, also of what is new; everything after it.
  better = true
  await world.receive(1)
  await until('the new event is stored', async () => (await world.owed()).length === 2)
  expect(sink.caught.length).toBe(1 + hooks.length)
  if (full) {
    await world.laterBy(145_000)
    await until('the one that asked for two minutes has both', () => sink.accepted('/seconds').length === 2)
    expect(sink.at('/date').length).toBe(1)
    expect(sink.at('/weeks').length).toBe(1)
  }
  await world.laterBy(2 * 86_400_000)
  for (const { path } of hooks) await world.arrived(path)
  expect(sink.at('/gone').length).toBe(1)
  expect(sink.problems).toEqual([])
  return `410: one attempt; next attempts after ${Object.values(waits).join(', ')} s, and none before`
})

const MANY = full ? 5_000 : 200
const KILLS = full ? 8 : 1

row(
  'F16k',
  `kill -9 of the gateway (${KILLS} x) during ${2 * MANY} deliveries`,
  async (given) => {
    const some = Math.floor((2 * MANY) / (KILLS + 2))
    const answered = `delivery.answered#${some}` as const
    const schedule = '0,100,200,400,800,1600,3200,6400,12800'
    const world = await hookedRig(given, { schedule, stopAt: { gateway: answered } })
    const { rig, sink } = world
    const sessions = ['one', 'two']
    for (const name of sessions) await rig.sandboxSession(name)
    await world.hook('/any', { concurrency: 10 })
    await world.hook('/ordered', { ordered: true })
    // Slow enough for a kill to hit requests whose answer is on its way.
    sink.reply = () => ({ status: 200, afterMs: 20 })
    const receiving = world.receive(MANY, sessions)
    for (let kill = 1; kill <= KILLS; kill++) {
      // In turn: where the receiver has said that it has it and no row says so, and anywhere.
      if (kill % 2 === 1) await rig.atFaultPoint('gateway-1', 120_000)
      else {
        const before = sink.caught.length
        await until('more is delivered', () => sink.caught.length >= before + some, { everyMs: 2, timeoutMs: 120_000 })
      }
      await rig.kill('gateway-1')
      await rig.launch('gateway-1', { stopAt: kill % 2 === 0 && kill < KILLS ? answered : undefined })
    }
    await receiving
    for (const path of ['/any', '/ordered']) await world.arrived(path, 180_000)
    const owed = await world.owed()
    for (const session of new Set(owed.map(({ session_id }) => session_id))) {
      const order = new Set(owed.filter(({ session_id }) => session_id === session).map(({ id }) => id))
      expect(sink.accepted('/ordered').filter((id) => order.has(id))).toEqual([...order])
    }
    expect(sink.caught.every((caught) => eventOf(caught).id === caught.id)).toBe(true)
    expect(sink.problems).toEqual([])
    const repeats = sink.caught.length - 2 * owed.length
    expect(repeats).toBeGreaterThan(0)
    return `${owed.length} events, each with a 2xx at both webhooks and in order at the ordered one; ${repeats} repeats, with the same webhook-id`
  },
  { timeoutMs: 600_000 },
)
