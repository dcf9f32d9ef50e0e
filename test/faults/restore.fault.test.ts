import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createReadStream, createWriteStream } from 'node:fs'
import { cp, mkdir, rename, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import BetterSqlite from 'better-sqlite3'
import { expect } from 'vitest'
import { PICTURE } from '../../simulator/fixtures.js'
import { emptyDatabase } from '../databases.js'
import { until } from '../until.js'
import { connectedAfter, everySentOnce, link, now, qrsTold, WITH_WHATSAPP } from './real-sessions.js'
import type { Rig } from './rig.js'
import { row } from './row.js'

/** How a database is written to a file and read from it again, as docs/operations.md says. */
interface Kind {
  name: 'SQLite' | 'MariaDB'
  dump(url: string, file: string): Promise<void>
  /** Answers with the URL of the database that was made of it. */
  restore(file: string): Promise<string>
}

const kinds: Kind[] = [
  {
    name: 'SQLite',
    async dump(url, file) {
      const database = new BetterSqlite(url.slice('sqlite:'.length), { readonly: true })
      await database.backup(file)
      database.close()
    },
    async restore(file) {
      const restored = join(dirname(file), '..', 'restored.sqlite')
      await cp(file, restored)
      return `sqlite:${restored}`
    },
  },
  {
    name: 'MariaDB',
    async dump(url, file) {
      const dump = execFile(
        'mysqldump',
        [...connectionOf(url), '--single-transaction', '--hex-blob', databaseOf(url)],
        {
          maxBuffer: 2 ** 28,
        },
      )
      await Promise.all([pipeline(dump.stdout ?? [], createWriteStream(file)), ended(dump)])
    },
    async restore(file) {
      const { url } = await emptyDatabase({ name: 'MariaDB' })
      const client = spawn('mysql', [...connectionOf(url), databaseOf(url)], { stdio: ['pipe', 'ignore', 'inherit'] })
      await Promise.all([pipeline(createReadStream(file), client.stdin), ended(client)])
      return url
    },
  },
]

row(
  'F37',
  'everything is restored from a backup, in other directories',
  async ({ rig: make, finish }) => {
    const told: string[] = []
    for (const kind of kinds) {
      const options = kind.name === 'MariaDB' ? { databaseUrl: (await emptyDatabase(kind)).url } : {}
      const rig = await make({ ...WITH_WHATSAPP, ...options })
      told.push(`${kind.name}: ${await drill(rig, kind)}`)
      await finish(rig)
    }
    return told.join('; ')
  },
  { timeoutMs: 400_000 },
)

async function drill(rig: Rig, { dump, restore }: Kind): Promise<string> {
  const ids = [await link(rig, 'fast', '4915100000001'), await link(rig, 'paced', '4915100000002', 1_500)]
  const qrs = await qrsTold(rig)
  const { ledger } = rig
  const asked = ledger.message()
  const key = { 'idempotency-key': 'asked before the backup, and again after the restore' }
  const answered = await ledger.send(rig.rest(), 'fast', asked, key)
  for (const session of ['fast', 'paced']) await ledger.load({ session, count: 8, rest: () => rig.rest() })
  const picture = await rig.rest().upload('/media', new Blob([Buffer.from(PICTURE.base64, 'base64')]), 'picture.png')
  const image = { to: '+4915112345678', type: 'image', image: { id: picture.body.id } }
  expect((await ledger.send(rig.rest(), 'paced', image as never)) ?? 'refused').toMatch(/^msg_/)
  await until('some are sent, and some wait at the node', async () => {
    const open = await rig.database.rows<{ awaiting: number }>(
      `SELECT awaiting FROM messages WHERE direction = 'out' AND status = 'pending'`,
    )
    return (await rig.wire()).length >= 9 && open.length >= 3 && open.every(({ awaiting }) => !awaiting)
  })

  // The backup. Some were accepted while the node was down already.
  await rig.end('node-1')
  for (const session of ['fast', 'paced']) await ledger.load({ session, count: 3, rest: () => rig.rest() })
  await rig.end('gateway-1')
  const waiting = (await rig.database.open()).length
  const before = await counts(rig)
  const backup = join(rig.dataDir, 'backup')
  await mkdir(backup)
  await dump(rig.database.url, join(backup, 'database'))
  for (const name of ['node-1', 'gateway-1']) {
    await cp(join(rig.dataDir, name), join(backup, name), { recursive: true, verbatimSymlinks: true })
    // The old machine is gone.
    await rename(join(rig.dataDir, name), join(rig.dataDir, `lost-${name}`))
  }

  // The restore.
  for (const [name, folder] of [
    ['node-1', 'node-2'],
    ['gateway-1', 'gateway-2'],
  ] as const) {
    await cp(join(backup, name), join(rig.dataDir, folder), { recursive: true, verbatimSymlinks: true })
    rig.relocate(name, join(rig.dataDir, folder))
  }
  await rig.useDatabase('gateway-1', await restore(join(backup, 'database')))
  expect(await counts(rig)).toEqual(before)
  await rm(backup, { recursive: true })
  const place = await now(rig)
  await rig.launch('node-1')
  await rig.launch('gateway-1')
  await until('connected', () => connectedAfter(rig, place, ids), { timeoutMs: 60_000 })
  const sent = await everySentOnce(rig)
  expect(sent).toBe(ledger.accepted.size)
  expect(await qrsTold(rig)).toBe(qrs)
  // Stored answers are sealed with what derives from SECRET_KEY.
  expect(await ledger.send(rig.rest(), 'fast', asked, key)).toBe(answered)
  expect(await everySentOnce(rig)).toBe(sent)
  const rows = [...before.values()].reduce((sum, count) => sum + count, 0)
  return `${rows} rows in ${before.size} tables equal; ${waiting} of ${sent} messages waited and were sent once, a picture among them; an old Idempotency-Key still answers; no new QR`
}

/** Rows in each table. */
async function counts(rig: Rig): Promise<Map<string, number>> {
  const { database } = rig
  const names = database.url.startsWith('sqlite:')
    ? `SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name`
    : `SELECT table_name AS name FROM information_schema.tables WHERE table_schema = DATABASE() ORDER BY name`
  const found = new Map<string, number>()
  for (const { name } of await database.rows<{ name: string }>(names)) {
    const [row] = await database.rows<{ count: number }>(`SELECT COUNT(*) AS count FROM ${name}`)
    found.set(name, Number(row?.count))
  }
  return found
}

function connectionOf(url: string): string[] {
  const { hostname, port, username, password } = new URL(url)
  return [`--host=${hostname}`, `--port=${port}`, `--user=${username}`, ...(password ? [`--password=${password}`] : [])]
}

const databaseOf = (url: string) => new URL(url).pathname.slice(1)

async function ended(child: ReturnType<typeof execFile>): Promise<void> {
  const [code] = (await once(child, 'close')) as [number | null]
  if (code !== 0) throw new Error(`It ended with ${code}`)
}
