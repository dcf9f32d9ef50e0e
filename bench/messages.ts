/** How many messages a second are accepted: POST /sessions/{session}/messages on the sandbox engine. */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import autocannon from 'autocannon'
import { startDatabaseServer } from '../test/database-server.js'
import { until } from '../test/until.js'
import { createConnection } from 'mysql2/promise'
import type { BenchOptions } from './main.js'
import type { Figure } from './report.js'
import { startSwitchboard } from './switchboard.js'

const aims: Record<number, number> = { 10: 1_000, 50: 2_000 }

export async function benchMessages({ quick, directory, say }: BenchOptions): Promise<Figure[]> {
  const onSqlite = await measure('SQLite', join(directory, 'sqlite'), undefined, quick, say)
  const server = await startDatabaseServer()
  try {
    const connection = await createConnection(server.url)
    await connection.query('CREATE DATABASE bench')
    await connection.end()
    return [...onSqlite, ...(await measure('MariaDB', join(directory, 'mariadb'), `${server.url}/bench`, quick, say))]
  } finally {
    await server.stop()
  }
}

async function measure(
  database: string,
  directory: string,
  databaseUrl: string | undefined,
  quick: boolean,
  say: (line: string) => void,
): Promise<Figure[]> {
  mkdirSync(directory)
  const switchboard = await startSwitchboard({ directory, ...(databaseUrl ? { databaseUrl } : {}) })
  const { rest } = switchboard
  try {
    const sandbox = { phone: '+491510000001', autoPair: true }
    await rest.post('/sessions', { name: 'bench', engine: 'sandbox', sandbox })
    await until('the sandbox session is connected', async () => {
      const { body } = await rest.get('/sessions/bench')
      return body.status === 'connected'
    })
    const figures: Figure[] = []
    await load(rest, 10, 2)
    for (const connections of [10, 50]) {
      say(`messages: ${database}, c = ${connections}`)
      const { requests, latency, non2xx, errors, statusCodeStats } = await load(rest, connections, quick ? 4 : 10)
      const aim = aims[connections]
      const trouble = non2xx + errors > 0 ? `; ${JSON.stringify(statusCodeStats)}, ${errors} errors` : ''
      figures.push({
        name: `accepted (202), ${database}, c = ${connections}`,
        measured: requests.average,
        unit: 'requests/s',
        ...(aim ? { aim: { least: aim } } : {}),
        note: `p50 ${latency.p50} ms, p99 ${latency.p99} ms${trouble}`,
      })
      // What waits behind must not slow the next figure.
      await settled(rest, say)
    }
    return figures
  } finally {
    await switchboard.stop()
  }
}

function load(rest: { url: string; key: string }, connections: number, duration: number) {
  return autocannon({
    url: `${rest.url}/api/v1/sessions/bench/messages`,
    method: 'POST',
    headers: { authorization: `Bearer ${rest.key}`, 'content-type': 'application/json' },
    body: JSON.stringify({ to: '+491510000002', type: 'text', text: { body: 'The quick brown fox.' } }),
    connections,
    duration,
  })
}

async function settled(rest: Awaited<ReturnType<typeof startSwitchboard>>['rest'], say: (line: string) => void) {
  const began = performance.now()
  await until(
    'nothing is pending',
    async () => {
      const { body } = await rest.get('/messages?session=bench&status=pending&limit=1')
      return body.data.length === 0
    },
    { timeoutMs: 300_000, everyMs: 250 },
  )
  say(`messages: the rest was sent ${((performance.now() - began) / 1000).toFixed(1)} s later`)
}
