import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { NodeId, SessionId } from '../../proto/contract.js'
import { newId } from '../../runtime/ids.js'
import { silentLog } from '../../runtime/log.js'
import { openDatabase } from '../../test/databases.js'
import type { Database } from '../db/database.js'
import { query } from '../db/statements.js'
import type { StoredEvent } from '../events/event.js'
import { DEFAULT_TENANT } from '../tenants/tenant.js'
import { ConnectedTime, type ConnectedTimeOptions } from './connected-time.js'
import { UsageRepository } from './usage-repository.js'

const NODE: NodeId = 'nod_a'
const MIDNIGHT = Date.parse('2026-11-23T00:00:00Z')
type Row = Awaited<ReturnType<ConnectedTimeOptions['sessionsOn']>>[number]

describe('the time that sessions are connected', () => {
  let db: Database
  let now: number
  let heardAt: number
  let rows: Row[]

  beforeEach(async () => {
    db = await openDatabase({ name: 'SQLite' })
    now = heardAt = MIDNIGHT - 20_000
    rows = []
  })
  afterEach(() => db.stop())

  const gateway = () =>
    new ConnectedTime({
      ...{ db, repository: new UsageRepository(db), log: silentLog(), time: () => now },
      presence: { lastHeardAt: () => heardAt },
      liveNodes: () => [NODE],
      sessionsOn: () => Promise.resolve(rows),
    })
  const connected = (since = now): Row => {
    const row: Row = {
      ...{ id: newId('ses'), tenantId: DEFAULT_TENANT, status: 'connected' },
      ...{ connectedAt: new Date(since), changedAt: new Date(since) },
    }
    rows.push(row)
    return row
  }
  /** A round after so much time, in which the node was heard. */
  const after = async (time: ConnectedTime, ms: number, { isHeard = true } = {}) => {
    now += ms
    if (isHeard) heardAt = now
    await time.count()
  }
  const event = (sessionId: SessionId, type: 'session.connected' | 'session.disconnected', at: number) =>
    ({ type, sessionId, tenantId: DEFAULT_TENANT, at, source: { nodeId: NODE } }) as StoredEvent
  const seconds = async ({ id }: Row) => {
    const found = await db.read((reader) =>
      query<{ day: string; amount: number | string }>(
        reader,
        "SELECT day, amount FROM usage_counts WHERE session_id = ? AND metric = 'connected_ms' ORDER BY day",
        [id],
      ),
    )
    return found.map(({ day, amount }) => [day, Number(amount) / 1_000])
  }

  it('is that of each day, from when it connected until its event says otherwise', async () => {
    const time = gateway()
    time.live(NODE)
    await time.count()
    const early = connected()
    await after(time, 5_000)
    const late = connected(now + 2_000)
    await after(time, 25_000)
    time.stored([
      event(early.id, 'session.disconnected', now + 1_000),
      event(early.id, 'session.connected', now + 3_000),
    ])
    // The answer to a stop is in the row before the event is there.
    rows[1] = { ...late, status: 'stopped', changedAt: new Date(now + 4_000) }
    await after(time, 5_000)
    expect(await seconds(early)).toEqual([
      ['2026-11-22', 20],
      ['2026-11-23', 10 + 1 + 2],
    ])
    expect(await seconds(late)).toEqual([
      ['2026-11-22', 13],
      ['2026-11-23', 10 + 4],
    ])
  })

  it('goes on over a restart, but not over what nobody saw', async () => {
    const first = gateway()
    first.live(NODE)
    await first.count()
    const session = connected()
    await after(first, 5_000)
    await first.stop()
    // A restart that takes less than a session needs to read `disconnected`.
    now += 8_000
    const second = gateway()
    second.live(NODE)
    await after(second, 1_000)
    expect(await seconds(session)).toEqual([['2026-11-22', 14]])
    // The first one has not noticed yet that it is followed by another.
    first.live(NODE)
    await after(second, 1_000)
    await after(first, 0)
    expect(await seconds(session)).toEqual([['2026-11-22', 15]])
    // The node is silent for a minute, and then heard again.
    await after(second, 60_000, { isHeard: false })
    await after(second, 2_000)
    await after(second, 2_000)
    await after(second, 3_000)
    expect((await seconds(session)).reduce((sum, [, some]) => sum + Number(some), 0)).toBe(15 + 5)
  })
})
