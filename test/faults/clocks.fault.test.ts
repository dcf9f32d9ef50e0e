import { expect } from 'vitest'
import { sleep } from '../../runtime/clock.js'
import { emptyDatabase } from '../databases.js'
import { until } from '../until.js'
import type { Rig } from './rig.js'
import { row } from './row.js'

const HOUR = 3_600_000
/** Before the jumps: what they must not end. */
const WAITS = { expiresInSeconds: 3_600 }

/** So far ahead that the clocks of Berlin are put forward, or back, a moment later. */
function aheadOfChange(utc: string): number {
  return Date.parse(utc) - 2_000 - Date.now()
}

const jumps: Record<string, () => number> = {
  '+1 h': () => HOUR,
  '-1 h': () => -HOUR,
  '+2 days': () => 48 * HOUR,
  'into summer time': () => aheadOfChange('2027-03-28T01:00:00Z'),
  'into winter time': () => aheadOfChange('2027-10-31T01:00:00Z'),
  back: () => 0,
}

row(
  'F27',
  'the wall clock jumps: an hour either way, two days, into summer and winter time, on a gateway and on a node',
  async ({ rig: make }) => {
    const { url } = await emptyDatabase({ name: 'MariaDB' })
    const rig = await make({
      databaseUrl: url,
      gateways: 2,
      nodes: 2,
      clocks: true,
      env: () => ({ TZ: 'Europe/Berlin' }),
    })
    const { ledger } = rig

    // One session is on a node that is away: what it is to send waits in the gateways' database.
    await rig.sandboxSession('away')
    const away = await nodeOf(rig, 'away')
    await rig.kill(away.name)
    await rig.sessionIs('away', 'disconnected')
    // The other ones are on the node that is left: what is behind a long pause waits in its journal.
    await rig.sandboxSession('one')
    await rig.sandboxSession('slow')
    const paced = await rig.rest().patch('/sessions/slow', { pacing: { gapMs: 600_000, jitterMs: 0 } })
    expect(paced.status).toBe(200)
    const here = await nodeOf(rig, 'one')
    await ledger.send(rig.rest(), 'slow', { ...ledger.message(), ...WAITS })
    const waiting: string[] = []
    for (const session of ['slow', 'slow', 'away', 'away']) {
      waiting.push(String(await ledger.send(rig.rest(), session, { ...ledger.message(), ...WAITS })))
    }
    const key = { 'idempotency-key': 'kept-through-jumps' }
    const keyed = ledger.message()
    const first = await ledger.send(rig.rest(), 'one', keyed, key)
    const lease = async () =>
      (
        await rig.database.rows<{ holder: string; fence: number }>(
          `SELECT holder, fence FROM node_cursors WHERE node_id = '${here.id}'`,
        )
      )[0]
    const before = await lease()
    const told: string[] = []
    for (const shifted of ['gateway-1', 'gateway-2', here.name]) {
      for (const [what, ahead] of Object.entries(jumps)) {
        await rig.shiftClock(shifted, ahead())
        // Past the change of the hour, and past a round of whatever looks for what is due.
        await sleep(what.startsWith('into') ? 3_000 : 1_000)
        for (const gateway of ['gateway-1', 'gateway-2']) {
          const after = `after ${what} on ${shifted}, asked ${gateway}`
          const id = String(await ledger.send(rig.rest(gateway), 'one'))
          await until(`a message is sent ${after}`, async () => (await statusOf(rig, id, gateway)) === 'delivered')
          expect((await rig.rest(gateway).get('/sessions/one')).body.status, after).toBe('connected')
          const { body } = await rig.rest(gateway).get('/sessions/away')
          expect([body.status, body.reason], after).toEqual(['disconnected', 'node_unreachable'])
          const statuses = await Promise.all(waiting.map((message) => statusOf(rig, message, gateway)))
          expect(statuses, after).toEqual(waiting.map(() => 'pending'))
          expect(await ledger.send(rig.rest(gateway), 'one', keyed, key), after).toBe(first)
        }
        expect(await lease(), `after ${what} on ${shifted}`).toEqual(before)
      }
      told.push(shifted)
    }

    // Nor is a lease kept: whoever waits for it has a clock that is an hour behind.
    const [holder, other] = followerOf(rig, Number(before?.fence))
    await rig.shiftClock(other, -HOUR)
    await rig.kill(holder)
    const killedAt = performance.now()
    await until('the other follows', async () => Number((await lease())?.fence) > Number(before?.fence), {
      timeoutMs: 60_000,
    })
    const tookOver = Math.round(performance.now() - killedAt)
    await rig.launch(holder)
    await rig.rest().patch('/sessions/slow', { pacing: { gapMs: 0, jitterMs: 0 } })
    await rig.launch(away.name)
    await rig.settled()
    return `${Object.keys(jumps).length} jumps on each of ${told.join(', ')}: the lease stayed, none of ${waiting.length} waiting messages expired and all were sent in the end, statuses true, one id under one key; a dead gateway's lease was taken over ${tookOver} ms after its end`
  },
  { timeoutMs: 300_000 },
)

async function nodeOf(rig: Rig, session: string): Promise<{ id: string; name: string }> {
  const id = String((await rig.rest().get(`/sessions/${session}`)).body.node)
  for (const name of ['node-1', 'node-2']) {
    if ((await rig.get(name).logged('node.started')).node === id) return { id, name }
  }
  throw new Error(`No process is ${id}`)
}

async function statusOf(rig: Rig, id: string, gateway: string): Promise<string> {
  return String((await rig.rest(gateway).get(`/messages/${id}`)).body.status)
}

function followerOf(rig: Rig, fence: number): [holder: string, other: string] {
  const follows = (name: string) =>
    rig
      .get(name)
      .lines()
      .some((line) => line.msg === 'node.followed' && Number(line['fence']) === fence)
  return follows('gateway-1') ? ['gateway-1', 'gateway-2'] : ['gateway-2', 'gateway-1']
}
