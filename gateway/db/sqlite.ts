import { closeSync, mkdirSync, openSync } from 'node:fs'
import { dirname } from 'node:path'
import BetterSqlite from 'better-sqlite3'
import { DataSource, type EntitySchema } from 'typeorm'
import type { AbstractSqliteDriver } from 'typeorm/driver/sqlite-abstract/AbstractSqliteDriver.js'
import { migrations } from '../../migrations/index.js'

/** Held for as long as a gateway has the file open; the kernel lets go of it when the process ends, however it ends. */
export function lockSqlite(file: string): { release(): void } {
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 })
  // Messages and phone numbers: for the owner only, whatever the umask. SQLite makes its other files the same.
  for (const path of [file, `${file}.lock`]) closeSync(openSync(path, 'a', 0o600))
  const lock = new BetterSqlite(`${file}.lock`, { timeout: 1_000 })
  try {
    lock.pragma('journal_mode = MEMORY')
    lock.exec('BEGIN EXCLUSIVE')
  } catch (cause) {
    lock.close()
    if ((cause as { code?: unknown }).code !== 'SQLITE_BUSY') throw cause
    throw new Error(
      `Another gateway has ${file} open. One gateway at a time works on a SQLite file: stop the other one, or give this one its own DATA_DIR, or use MySQL for several.`,
      { cause },
    )
  }
  return { release: () => lock.close() }
}

/**
 * Two connections: TypeORM gives SQLite a single one, on which a read would see a write that is still open. WAL lets the
 * reading one see only what is committed. The journal is synced at each commit, or a 202 would not survive a power cut.
 */
export async function openSqlite(
  file: string,
  entities: EntitySchema[],
): Promise<{ writer: DataSource; reader: DataSource }> {
  const shared = { type: 'better-sqlite3', database: file, entities, synchronize: false, logging: false } as const
  const writer = new DataSource({
    ...shared,
    enableWAL: true,
    statementCacheSize: 200,
    migrations,
    migrationsTransactionMode: 'each',
    prepareDatabase: (db: BetterSqlite.Database) => {
      db.pragma('synchronous = FULL')
    },
  })
  const reader = new DataSource({
    ...shared,
    readonly: true,
    statementCacheSize: 200,
    // Readers ask for many rows at once; their pages stay in memory.
    prepareDatabase: (db: BetterSqlite.Database) => {
      db.pragma('cache_size = -16000')
    },
  })
  await writer.initialize()
  try {
    await reader.initialize()
  } catch (error) {
    await writer.destroy()
    throw error
  }
  return { writer, reader }
}

/**
 * After a transaction that failed. When SQLite has undone it by itself (the disk is full, the file cannot be written),
 * TypeORM's ROLLBACK fails, and TypeORM goes on believing that it is in a transaction: what is written from then on would
 * be called stored, and never be committed.
 */
export function endTransaction(writer: DataSource): void {
  const driver = writer.driver as AbstractSqliteDriver
  const connection = driver.databaseConnection as BetterSqlite.Database
  if (connection.inTransaction) connection.exec('ROLLBACK')
  // The next transaction makes one that knows of none.
  if (driver.queryRunner?.isTransactionActive) delete driver.queryRunner
}
