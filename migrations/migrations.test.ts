import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Database } from '../gateway/db/database.js'
import { parseDatabaseUrl } from '../gateway/db/database-url.js'
import { tables } from '../gateway/tables.js'
import { silentLog } from '../runtime/log.js'
import { type DatabaseServer, startDatabaseServer } from '../test/database-server.js'
import { databases, emptyDatabase, emptyMariadb, openDatabase } from '../test/databases.js'
import { migrations } from './index.js'

const made = [
  'tenants',
  'api_keys',
  'sessions',
  'messages',
  'message_history',
  'events',
  'node_cursors',
  'media',
  'counters',
  'lost_nodes',
  'idempotency_keys',
  'session_sequences',
  'usage_counts',
  'usage_days',
  'usage_nodes',
]

const on = (url: string) => new Database({ target: parseDatabaseUrl(url), tables, log: silentLog(), poolSize: 3 })

describe.each(databases())('migrations on $name', (target) => {
  it('make exactly what the table files say, undone and done again too', async () => {
    const db = await openDatabase(target)
    expect(await db.drift()).toEqual([])
    const source = db.source()
    for (const _ of migrations) await source.undoLastMigration()
    const runner = source.createQueryRunner()
    for (const name of made) expect(await runner.hasTable(name), name).toBe(false)
    await runner.release()
    await source.runMigrations()
    expect(await db.drift()).toEqual([])
    await db.stop()
  })

  it('may be interrupted between a table and its record', async () => {
    const db = await openDatabase(target)
    const source = db.source()
    await source.query('DELETE FROM migrations')
    expect(await source.runMigrations()).toHaveLength(migrations.length)
    expect(await source.query('SELECT name FROM tenants')).toEqual([{ name: 'default' }])
    await db.stop()
  })

  it('carry numbers of sessions and sums of files from one table to the other, also when interrupted', async () => {
    const db = await openDatabase(target)
    const source = db.source()
    const undoTo = async (name: string) => {
      const newest = async () =>
        (await source.query<{ name: string }[]>('SELECT name FROM migrations ORDER BY id DESC LIMIT 1'))[0]?.name
      while ((await newest()) !== name) await source.undoLastMigration()
    }
    const numbers = async (from: string) =>
      (await source.query<{ sequence: number | string }[]>(`SELECT sequence FROM ${from}`)).map((row) =>
        Number(row.sequence),
      )
    await undoTo('DeliveryAttempts1790000000018')
    await source.query(
      `INSERT INTO sessions (id, tenant_id, name, engine, node_id, wanted, status, pacing, sequence, changed_at, created_at)
       SELECT 'ses_1', id, 'a', 'sandbox', '', 'stopped', 'stopped', '{}', 41, created_at, created_at FROM tenants`,
    )
    const files = ["'med_1', 'stored', 7", "'med_2', 'stored', 5", "'med_3', 'pending', 100"]
    for (const file of files) {
      await source.query(
        `INSERT INTO media (id, status, size, tenant_id, direction, sha256, mimetype, created_at)
         SELECT ${file}, id, 'in', '', 'image/png', created_at FROM tenants`,
      )
    }
    await source.runMigrations()
    await source.query("UPDATE session_sequences SET sequence = 42 WHERE session_id = 'ses_1'")
    await source.query('DELETE FROM migrations WHERE timestamp > 1790000000018')
    await source.runMigrations()
    expect(await numbers('session_sequences')).toEqual([42])
    const stored = await source.query<Record<string, number | string>[]>('SELECT files, bytes FROM media_totals')
    expect(stored.map(({ files, bytes }) => [Number(files), Number(bytes)])).toEqual([[2, 12]])
    await undoTo('SessionSequences1790000000019')
    expect(await numbers('sessions')).toEqual([42])
    await undoTo('DeliveryAttempts1790000000018')
    expect(await numbers('sessions')).toEqual([42])
    await db.stop()
  })

  it('refuse a database that a newer version made', async () => {
    const { url, remove } = await emptyDatabase(target)
    const db = on(url)
    await db.start()
    await db
      .source()
      .query('INSERT INTO migrations (timestamp, name) VALUES (?, ?)', [1999000000000, 'Later1999000000000'])
    await db.stop()
    await expect(on(url).start()).rejects.toThrow(
      /made by a newer version of Switchboard \(it has Later1999000000000\)/,
    )
    await remove()
  })
})

describe('migrations on a MariaDB that compares without regard to case', () => {
  let server: DatabaseServer

  beforeAll(async () => {
    server = await startDatabaseServer({ collation: 'utf8mb4_general_ci' })
  })
  afterAll(() => server.stop())

  it('make the same tables, run by two starters at once', async () => {
    const { url, remove } = await emptyMariadb(server.url)
    const both = [on(url), on(url)] as const
    await Promise.all(both.map((db) => db.start()))
    for (const db of both) expect(await db.drift()).toEqual([])
    const collations = (await both[0]
      .source()
      .query(
        "SELECT DISTINCT collation_name AS name FROM information_schema.columns WHERE table_schema = DATABASE() AND collation_name IS NOT NULL AND table_name <> 'migrations'",
      )) as { name: string }[]
    expect(collations.map(({ name }) => name).toSorted()).toEqual(['ascii_bin', 'utf8mb4_bin'])
    await Promise.all(both.map((db) => db.stop()))
    await remove()
  })
})
