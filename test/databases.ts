import { randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createConnection } from 'mysql2/promise'
import { inject } from 'vitest'
import { Database, type DatabaseOptions } from '../gateway/db/database.js'
import { parseDatabaseUrl } from '../gateway/db/database-url.js'
import { tables } from '../gateway/tables.js'
import { silentLog } from '../runtime/log.js'

export interface TestTarget {
  name: 'SQLite' | 'MariaDB'
}

/** What every test of a repository runs on: `describe.each(databases())('… on $name', (target) => …)`. */
export function databases(): TestTarget[] {
  return [{ name: 'SQLite' }, { name: 'MariaDB' }]
}

/** An empty database of its own: its URL for DATABASE_URL, and the way to remove it. */
export async function emptyDatabase({ name }: TestTarget): Promise<{ url: string; remove: () => Promise<void> }> {
  if (name === 'SQLite') {
    const folder = await mkdtemp(join(tmpdir(), 'switchboard-db-'))
    return {
      url: `sqlite:${join(folder, 'switchboard.sqlite')}`,
      remove: () => rm(folder, { recursive: true, force: true }),
    }
  }
  const answer = await fetch(inject('databaseServer'))
  const server = await answer.text()
  if (!answer.ok) throw new Error(server)
  return emptyMariadb(server)
}

export async function emptyMariadb(server: string): Promise<{ url: string; remove: () => Promise<void> }> {
  const database = `t_${randomBytes(8).toString('hex')}`
  const ask = async (sql: string) => {
    const connection = await createConnection(server)
    try {
      await connection.query(sql)
    } finally {
      await connection.end()
    }
  }
  await ask(`CREATE DATABASE ${database}`)
  return { url: `${server}/${database}`, remove: () => ask(`DROP DATABASE IF EXISTS ${database}`) }
}

/** A migrated database of its own, with the tenant `default` in it. Stopping it removes it. */
export async function openDatabase(target: TestTarget, options: Partial<DatabaseOptions> = {}): Promise<Database> {
  const { url, remove } = await emptyDatabase(target)
  const db = new Database({
    target: parseDatabaseUrl(url),
    tables,
    log: silentLog(),
    poolSize: 5,
    findsNesting: true,
    ...options,
  })
  const close = db.stop.bind(db)
  db.stop = async () => {
    await close()
    await remove()
  }
  await db.start()
  return db
}
