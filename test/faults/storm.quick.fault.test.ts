import { randomInt } from 'node:crypto'
import { expect } from 'vitest'
import { sleep } from '../../runtime/clock.js'
import { type DatabaseServer, startDatabaseServer } from '../database-server.js'
import { emptyMariadb } from '../databases.js'
import { settledByOperator } from './operator.js'
import { randomFrom } from './random.js'
import type { Rig } from './rig.js'
import { full, type Row, row, storm } from './row.js'

const ROUNDS = Number(process.env['FAULT_ROUNDS'] ?? (storm ? 20 : full ? 2 : 1))
const MESSAGES = storm ? 10_000 : full ? 2_000 : 500
const KILLS = storm ? 10 : full ? 4 : 2
const SESSIONS = 3
const PER_SECOND = 300
const seed = Number(process.env['FAULT_SEED'] ?? randomInt(2 ** 31))

row(
  'STORM',
  `kill -9 of everything while ${MESSAGES} messages are accepted and sent, ${ROUNDS} rounds of ${KILLS} kills each`,
  async (given) => {
    const told: string[] = []
    for (let round = 0; round < ROUNDS; round++) {
      // In turn, so that a short run sees one database and a long one both.
      const mariadb = full && round % 2 === 1
      const said = await oneRound(given, seed + round, mariadb)
      told.push(said)
      // An hour of rounds should not be silent.
      if (storm) process.stdout.write(`round ${round + 1}, ${mariadb ? 'MariaDB' : 'SQLite'}: ${said}\n`)
    }
    return `seed ${seed}: ${told.join('; ')}`
  },
  { timeoutMs: ROUNDS * 600_000 },
)

async function oneRound({ rig: make, finish }: Row, roundSeed: number, mariadb: boolean): Promise<string> {
  const server = mariadb ? await startDatabaseServer() : undefined
  try {
    const rig = await make(server ? { databaseUrl: (await emptyMariadb(server.url)).url } : {})
    const said = await weather(rig, server, randomFrom(roundSeed))
    await finish(rig)
    return said
  } finally {
    await server?.stop()
  }
}

async function weather(rig: Rig, server: DatabaseServer | undefined, random: () => number): Promise<string> {
  const names = Array.from({ length: SESSIONS }, (_, index) => `s${index + 1}`)
  // Slow enough for messages to be on their way when the node is killed.
  for (const name of names) await rig.sandboxSession(name, { ackDelayMs: 150 })
  const stopping = new AbortController()
  const loads = names.map((session) =>
    rig.ledger.load({
      ...{ session, count: Number.POSITIVE_INFINITY, concurrency: 6, perSecond: PER_SECOND / SESSIONS },
      ...{ keys: true, rest: () => rig.rest(), signal: stopping.signal },
    }),
  )
  const kills: Record<string, number> = {}
  const end = Date.now() + 500_000
  const strike = async (name: string, work: () => Promise<unknown>) => {
    while ((kills[name] ?? 0) < KILLS && Date.now() < end) {
      await sleep(200 + random() * 1_500)
      const inFlight = await somethingIsSent(rig, 8_000)
      // Any moment of the sending, not the first one after a start: a message that is hit there three times is held.
      await sleep(random() * 300)
      await work()
      if (inFlight) kills[name] = (kills[name] ?? 0) + 1
    }
  }
  const again = (name: string) => async () => {
    await rig.kill(name)
    rig.spawn(name)
    // Not waited for until it is up: what comes next may hit it while it starts.
    await sleep(random() * 3_000)
  }
  await Promise.all([
    strike('gateway', again('gateway-1')),
    strike('node', again('node-1')),
    ...(server
      ? [
          strike('database', async () => {
            await server.halt('SIGKILL')
            await server.resume()
          }),
        ]
      : []),
  ])
  // A gateway that found no database at its start may have given up, as it should: its supervisor starts it again.
  await rig.revive()
  // Each kill met messages on their way; the rest of them follows.
  while (rig.ledger.accepted.size < MESSAGES && Date.now() < end) await sleep(50)
  stopping.abort()
  await Promise.all(loads)
  const held = await settledByOperator(rig, 180_000)
  const stored = await rig.database.outgoing()
  const wire = await rig.wire()
  expect(new Set(wire.map(({ waMessageId }) => waMessageId)).size).toBe(stored.length)
  expect(wire.length).toBe(stored.length)
  const looked = rig.lines().filter(({ msg }) => msg === 'message.reconciled').length
  const struck = Object.entries(kills).map(([name, count]) => `${count} x ${name}`)
  return `${rig.ledger.accepted.size} accepted, ${stored.length} stored, ${wire.length} lines, 0 lost, 0 twice, ${looked} looked for, ${held} held (${struck.join(', ')})`
}

/** So that the kill meets messages on their way: their acks come later. */
async function somethingIsSent(rig: Rig, mostMs: number): Promise<boolean> {
  const before = rig.wireBytes()
  const end = Date.now() + mostMs
  while (rig.wireBytes() === before && Date.now() < end) await sleep(5)
  return rig.wireBytes() !== before
}
