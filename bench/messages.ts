/**
 * What messages cost on the sandbox engine, for one session and for fifty: full cycles per second, requests that are
 * only accepted, and the time of a single request. docs/benchmarks.md says what each means.
 */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { createConnection } from 'mysql2/promise'
import { startDatabaseServer } from '../test/database-server.js'
import { until } from '../test/until.js'
import { load, type LoadOptions, type LoadResult, loneRequests } from './load.js'
import type { BenchOptions } from './main.js'
import { countsOnMysql, countsOnSqlite, type MessageCounts } from './message-counts.js'
import { processorMs } from './process-time.js'
import type { Figure } from './report.js'
import { startSwitchboard, type Switchboard } from './switchboard.js'

const LONE_REQUESTS = 300
const AIM_LONE_MS = 5
const AIM_P99_MS = 60
/** Beside one session: what is shared by the messages of a session must not become dear when there are many. */
const MANY = 50
const cycles = [
  { connections: 10, sessions: 1, aim: 1_000 },
  { connections: 50, sessions: 1, aim: 2_000 },
  { connections: 10, sessions: MANY, aim: 1_000 },
  { connections: 50, sessions: MANY, aim: 2_000 },
]

interface Bench extends Switchboard {
  database: string
  /** Processes by what they are, whose time is told. */
  pids: Record<string, number>
  counts: MessageCounts
  seconds: number
  say: (line: string) => void
}

export async function benchMessages(options: BenchOptions): Promise<Figure[]> {
  const sqlite = join(options.directory, 'sqlite')
  const file = join(sqlite, 'gateway', 'switchboard.sqlite')
  const onSqlite = await measure(options, {
    database: 'SQLite',
    directory: sqlite,
    open: async () => countsOnSqlite(file),
  })
  const server = await startDatabaseServer({ bufferPool: '128M' })
  try {
    const connection = await createConnection(server.url)
    await connection.query('CREATE DATABASE bench')
    await connection.end()
    const databaseUrl = `${server.url}/bench`
    const onMariadb = await measure(options, {
      database: 'MariaDB',
      directory: join(options.directory, 'mariadb'),
      open: () => countsOnMysql(databaseUrl),
      server: { databaseUrl, pid: server.pid() },
    })
    return [...onSqlite, ...onMariadb]
  } finally {
    await server.stop()
  }
}

interface On {
  database: string
  directory: string
  open: () => Promise<MessageCounts>
  server?: { databaseUrl: string; pid: number }
}

async function measure({ quick, say }: BenchOptions, { database, directory, open, server }: On): Promise<Figure[]> {
  mkdirSync(directory)
  const switchboard = await startSwitchboard({ directory, ...(server ? { databaseUrl: server.databaseUrl } : {}) })
  const pids = {
    gateway: switchboard.gatewayPid,
    node: switchboard.nodePid,
    ...(server ? { database: server.pid } : {}),
  }
  const counts = await open()
  const bench: Bench = { ...switchboard, database, pids, counts, seconds: quick ? 4 : 10, say }
  try {
    const all = await linkedSessions(bench, MANY)
    const figures: Figure[] = []
    // Compiled code and warm caches, as after a minute of work.
    await cycle(bench, { connections: 50, sessions: all, seconds: 8 })
    for (const { connections, sessions, aim } of cycles) {
      figures.push(...(await fullCycles(bench, connections, all.slice(0, sessions), aim)))
    }
    figures.push(await loneRequest(bench, all.slice(0, 1)))
    figures.push(await acceptedOnly(bench, all.slice(0, 1)))
    return figures
  } finally {
    await counts.close()
    await switchboard.stop()
  }
}

async function linkedSessions({ rest }: Bench, count: number): Promise<string[]> {
  const names = Array.from({ length: count }, (_, index) => `bench-${index}`)
  for (const [index, name] of names.entries()) {
    await rest.post('/sessions', {
      name,
      engine: 'sandbox',
      sandbox: { phone: `+49151${1_000_000 + index}`, autoPair: true },
    })
  }
  await until('the sandbox sessions are connected', async () => {
    const { body } = await rest.get(`/sessions?limit=${count}&status=connected`)
    return body.data.length === count
  })
  return names
}

async function fullCycles(bench: Bench, connections: number, sessions: string[], aim: number): Promise<Figure[]> {
  const { database, seconds, say } = bench
  const which = `${database}, c = ${connections}, ${sessions.length} session${sessions.length > 1 ? 's' : ''}`
  say(`messages: full cycles, ${which}`)
  const { accepted, p50, p99, trouble, tookMs, processor } = await cycle(bench, { connections, sessions, seconds })
  const rate: Figure = {
    name: `full cycles, ${which}`,
    measured: (accepted / tookMs) * 1_000,
    unit: 'messages/s',
    aim: { least: aim },
    note: [`p50 ${p50} ms`, processor, trouble].filter(Boolean).join('; '),
  }
  return [rate, { name: `… 99 % answered within`, measured: p99, unit: 'ms', aim: { most: AIM_P99_MS } }]
}

interface Cycle extends LoadResult {
  /** From the first request until the result of the last message was stored. */
  tookMs: number
  /** Processor time of each process per message, in words. */
  processor: string
}

/** Asks, and waits until the result of every message is stored. */
async function cycle({ rest, pids, counts }: Bench, options: LoadOptions): Promise<Cycle> {
  const before = await counts.sent()
  const processorBefore = Object.entries(pids).map(([name, pid]) => ({ name, pid, ms: processorMs(pid) }))
  const began = performance.now()
  const result = await load(rest, options)
  await until('no message is open', async () => !(await counts.anyOpen()), { timeoutMs: 300_000, everyMs: 20 })
  const tookMs = performance.now() - began
  const spent = processorBefore.map(({ name, pid, ms }) => {
    return `${name} ${Math.round(((processorMs(pid) - ms) / result.accepted) * 1_000)}`
  })
  const sent = (await counts.sent()) - before
  // A request that was cut off at the end of the load may be accepted as well.
  if (sent < result.accepted || sent > result.accepted + options.connections) {
    throw new Error(`${result.accepted} messages were accepted, and ${sent} sent`)
  }
  return { ...result, accepted: sent, tookMs, processor: `processor µs: ${spent.join(', ')}` }
}

async function loneRequest({ rest, database, say }: Bench, [session = '']: string[]): Promise<Figure> {
  say(`messages: a single request, ${database}`)
  return {
    name: `a single request, ${database}, median`,
    measured: await loneRequests(rest, session, LONE_REQUESTS),
    unit: 'ms',
    aim: { most: AIM_LONE_MS },
  }
}

/** The node is away: nothing happens to what is accepted. Last, because of what it leaves behind. */
async function acceptedOnly(bench: Bench, sessions: string[]): Promise<Figure> {
  const { rest, database, counts, seconds, say } = bench
  say(`messages: accepted only, ${database}`)
  await until('no message is open', async () => !(await counts.anyOpen()), { timeoutMs: 60_000, everyMs: 50 })
  await bench.stopNode()
  await until('the node is seen to be away', async () => {
    const { body } = await rest.get('/nodes')
    return body.data.every((node: { reachable: boolean }) => !node.reachable)
  })
  const before = await counts.stored()
  const { accepted, p50, p99, trouble } = await load(rest, { connections: 50, sessions, seconds })
  const stored = (await counts.stored()) - before
  if (stored < accepted) throw new Error(`${accepted} messages were accepted, and ${stored} stored`)
  return {
    name: `accepted only, ${database}, c = 50`,
    measured: accepted / seconds,
    unit: 'messages/s',
    note: [`p50 ${p50} ms, p99 ${p99} ms`, trouble].filter(Boolean).join('; '),
  }
}
