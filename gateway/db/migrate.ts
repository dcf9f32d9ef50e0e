import { createHash } from 'node:crypto'
import type { DataSource } from 'typeorm'
import { migrations } from '../../migrations/index.js'
import type { Logger } from '../../runtime/log.js'

const LOCK_WAIT_S = 60

/** Brings the tables up to date. Of two starters one works and the other waits; the lock goes with its connection. */
export async function migrate(source: DataSource, log: Logger): Promise<void> {
  if (source.options.type === 'better-sqlite3') return run(source, log)
  const holder = source.createQueryRunner()
  try {
    const [{ name }] = (await holder.query('SELECT DATABASE() AS name')) as [{ name: string }]
    const lock = `switchboard_${createHash('sha256').update(name).digest('hex').slice(0, 32)}`
    const [{ got }] = (await holder.query('SELECT GET_LOCK(?, ?) AS got', [lock, LOCK_WAIT_S])) as [{ got: unknown }]
    if (Number(got) !== 1) throw new Error(`Another gateway has been migrating the database for ${LOCK_WAIT_S} s`)
    try {
      await run(source, log)
    } finally {
      await holder.query('SELECT RELEASE_LOCK(?)', [lock])
    }
  } finally {
    await holder.release()
  }
}

async function run(source: DataSource, log: Logger): Promise<void> {
  const done = await source.runMigrations()
  for (const { name } of done) log.info({ migration: name }, 'database.migrated')
  const known = new Set(migrations.map((migration) => migration.name))
  const recorded = (await source.query('SELECT name FROM migrations')) as { name: string }[]
  const newer = recorded.find(({ name }) => !known.has(name))
  if (newer) {
    throw new Error(
      `The database was made by a newer version of Switchboard (it has ${newer.name}). Run that version, or restore a backup.`,
    )
  }
}
