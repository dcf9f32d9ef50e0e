import { readFileSync } from 'node:fs'
import type { ServerResponse } from 'node:http'
import { expect } from 'vitest'
import { quantile } from '../../bench/report.js'
import { sleep } from '../../runtime/clock.js'
import { until } from '../until.js'
import { bad, eventOf } from '../webhook-catcher.js'
import { type Hook, hookedRig, type ShownDelivery } from './hooked-rig.js'
import { row } from './row.js'

const MIB = 2 ** 20
const residentMib = (pid: number) =>
  Number(/^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1_024

row('F17', 'receivers that hang, drip, flood and reset', async (given) => {
  // One attempt each.
  const world = await hookedRig(given, { schedule: '0' })
  const { rig, sink } = world
  await rig.sandboxSession('one')
  const noText = (response: ServerResponse) => void response.end(Buffer.alloc(30_000, 0xff))
  const replies = {
    '/noText': noText,
    '/hangs': bad.hangs,
    '/drips': bad.drips,
    '/floods': bad.floods(200 * MIB),
    '/resets': bad.resets,
  }
  // Warm, so that what grows is not what every first delivery loads.
  const warm = await world.hook('/warm')
  await world.receive(20)
  await until('it is warm', () => sink.accepted('/warm').length === 20)
  await rig.rest().delete(`/webhooks/${warm.id}`)
  const hooks: Record<string, Hook> = {}
  for (const path of Object.keys(replies)) hooks[path] = await world.hook(path)
  sink.reply = ({ path }) => replies[path as keyof typeof replies] ?? 204
  const { pid } = rig.get('gateway-1')
  const before = residentMib(pid)
  let most = before
  const watch = setInterval(() => (most = Math.max(most, residentMib(pid))), 20)
  await world.receive(1)
  const ends: string[] = []
  for (const [path, hook] of Object.entries(hooks)) {
    const { id } = await world.delivery(hook, (shown) => shown.status !== 'pending')
    // By itself it is shown whole.
    const { status, attempts } = (await rig.rest().get<ShownDelivery>(`/deliveries/${id}`)).body
    const [attempt] = attempts
    expect(attempts.length).toBe(1)
    expect(attempt?.durationMs).toBeLessThanOrEqual(15_500)
    expect(Buffer.byteLength(attempt?.answer ?? '')).toBeLessThanOrEqual(20_000)
    // What said 200 before its body came to nothing has said that it has it.
    if (path === '/floods') {
      expect(status).toBe('succeeded')
      expect(attempt?.answer?.length).toBe(20_000)
    }
    if (path === '/hangs' || path === '/drips') expect(status).toBe('exhausted')
    ends.push(`${path.slice(1)} ${status} after ${attempt?.durationMs} ms (${attempt?.error ?? attempt?.status})`)
  }
  clearInterval(watch)
  expect(sink.problems).toEqual([])
  return `${ends.join(', ')}; ${(most - before).toFixed(1)} MiB more at most`
})

const EACH = 1_000

row('F20', `one receiver hangs, one is well, ${EACH} events each`, async (given) => {
  const world = await hookedRig(given)
  const { rig, sink } = world
  await rig.sandboxSession('one')
  const [hanging] = [await world.hook('/hangs'), await world.hook('/well')]
  sink.reply = ({ path }) => (path === '/hangs' ? bad.hangs : 204)
  const began = performance.now()
  let openedMs = 0
  const opening = async () => {
    const isFailing = async () => (await world.status(hanging)) === 'failing'
    await until('the breaker is open', isFailing, { timeoutMs: 60_000 })
    openedMs = performance.now() - began
  }
  const writing = async () => {
    // Slower than the receiver: what waits in a queue says nothing about the one that hangs.
    for (let sent = 0; sent < EACH; sent += 5) {
      await world.receive(5, ['one'], 5)
      await sleep(20)
    }
    await world.arrived('/well')
  }
  await Promise.all([opening(), writing()])
  const latencies = sink.at('/well').map((caught) => caught.at - Date.parse(eventOf(caught).timestamp))
  expect(sink.mostInFlight('/hangs')).toBeLessThanOrEqual(4)
  // Let through once in a while, and not more often than a breaker does.
  const attempts = sink.at('/hangs').length
  expect(attempts).toBeLessThan(20)
  expect(sink.problems).toEqual([])
  const p = (q: number) => `${Math.round(quantile(latencies, q))} ms`
  return `healthy p50 ${p(0.5)}, p99 ${p(0.99)}; hanging: ${sink.mostInFlight('/hangs')} at once at most, failing after ${(openedMs / 1_000).toFixed(1)} s, ${attempts} attempts`
})

/** The real schedule, ten thousand times as fast, and three days of it. */
const TEN_THOUSANDTH = '0,1,30,180,720,1800,3600,5040,7200,8640'
const THREE_DAYS_MS = (3 * 86_400_000) / 10_000

row('F20d', 'a receiver is down for three days, while events come in', async (given) => {
  const world = await hookedRig(given, { schedule: TEN_THOUSANDTH })
  const { rig, sink } = world
  const sessions = ['one', 'two']
  for (const name of sessions) await rig.sandboxSession(name)
  const hooks = [await world.hook('/any'), await world.hook('/ordered', { ordered: true })]
  await world.receive(2, sessions)
  // Taken by both sides: an answer that is cut off on its way would be asked for again.
  for (const hook of hooks) {
    const isOver = async () => (await world.deliveries(hook, '&status=succeeded')).length === 2
    await until('what came first is delivered', isOver)
  }
  await sink.stop()
  const downAt = performance.now()
  while (performance.now() - downAt < THREE_DAYS_MS) {
    await world.receive(4, sessions)
    await sleep(250)
  }
  const told: string[] = []
  for (const hook of hooks) {
    expect(await world.status(hook)).toBe('failing')
    const waiting = await world.deliveries(hook)
    expect(waiting.filter(({ status }) => status !== 'pending').length).toBe(2)
    told.push(`at most ${Math.max(...waiting.map(({ attempts }) => attempts.length))} attempts at ${hook.path}`)
  }
  const backAt = Date.now()
  await sink.start()
  for (const { path } of hooks) await world.arrived(path)
  const owed = await world.owed()
  for (const { path } of hooks) {
    // A receiver that remembers ids saw each once; one that answers every time gets no other.
    expect(sink.accepted(path).length).toBe(owed.length)
    expect(sink.at(path).length).toBe(owed.length)
    const [first, last] = [sink.at(path)[2], sink.at(path).at(-1)].map((caught) => (caught?.at ?? 0) - backAt)
    told.push(`${path} has all ${owed.length} after ${first} to ${last} ms`)
  }
  for (const session of new Set(owed.map(({ session_id }) => session_id))) {
    const order = owed.filter(({ session_id }) => session_id === session).map(({ id }) => id)
    expect(sink.accepted('/ordered').filter((id) => order.includes(id))).toEqual(order)
  }
  for (const hook of hooks) await until('it is well again', async () => (await world.status(hook)) === 'enabled')
  expect(sink.problems).toEqual([])
  return told.join(', ')
})
