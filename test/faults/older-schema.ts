/** A database as an older version left it. */
import { Database } from '../../gateway/db/database.js'
import { parseDatabaseUrl } from '../../gateway/db/database-url.js'
import { tables } from '../../gateway/tables.js'
import { silentLog } from '../../runtime/log.js'

async function withDatabase<Result>(url: string, work: (db: Database) => Promise<Result>): Promise<Result> {
  const db = new Database({ target: parseDatabaseUrl(url), tables, log: silentLog() })
  await db.start()
  try {
    return await work(db)
  } finally {
    await db.stop()
  }
}

/** Undoes what came after this migration, and keeps the rows; answers how many that were. */
export function undoMigrations(url: string, newest: string): Promise<number> {
  return withDatabase(url, async (db) => {
    for (let undone = 0; ; undone++) {
      const [last] = (await db.source().query('SELECT name FROM migrations ORDER BY id DESC LIMIT 1')) as {
        name: string
      }[]
      if (!last) throw new Error(`There is no migration ${newest}`)
      if (last.name === newest) return undone
      await db.source().undoLastMigration()
    }
  })
}

/** What the tables lack of what they should be. Migrates first. */
export function driftOf(url: string): Promise<string[]> {
  return withDatabase(url, (db) => db.drift())
}
