/**
 * SQL written by hand, run straight on the connection: TypeORM's way around a statement costs more than most statements.
 * Transactions and connections stay TypeORM's; errors come as the driver throws them.
 */
import type BetterSqlite from 'better-sqlite3'
import type { QueryError, ResultSetHeader } from 'mysql2'
import type { EntityManager } from 'typeorm'

export type Raw = Record<string, unknown>

/** So many prepared statements a connection keeps; lists of ids come in few lengths (`oneOf`). */
const MOST_KEPT = 300
const prepared = new WeakMap<BetterSqlite.Database, Map<string, BetterSqlite.Statement>>()

/** The connection to a SQLite file; undefined on MySQL. */
export function sqliteOf({ connection }: EntityManager): BetterSqlite.Database | undefined {
  if (connection.options.type !== 'better-sqlite3') return undefined
  return (connection.driver as unknown as { databaseConnection: BetterSqlite.Database }).databaseConnection
}

/** Prepared once for each text. */
export function statementOf(db: BetterSqlite.Database, sql: string): BetterSqlite.Statement {
  const known = prepared.get(db) ?? new Map<string, BetterSqlite.Statement>()
  prepared.set(db, known)
  const kept = known.get(sql)
  if (kept) return kept
  const statement = db.prepare(sql)
  if (known.size >= MOST_KEPT) known.clear()
  known.set(sql, statement)
  return statement
}

/** The rows that a query finds. */
export async function query<Found = Raw>(
  manager: EntityManager,
  sql: string,
  values: readonly unknown[] = [],
): Promise<Found[]> {
  const db = sqliteOf(manager)
  if (db) return statementOf(db, sql).all(...values) as Found[]
  return onMysql<Found[]>(manager, sql, values)
}

/** Runs a change; answers how many rows it found. */
export async function change(tx: EntityManager, sql: string, values: readonly unknown[]): Promise<number> {
  const db = sqliteOf(tx)
  if (db) return statementOf(db, sql).run(...values).changes
  return (await onMysql<ResultSetHeader>(tx, sql, values)).affectedRows
}

/** The number that a change on MySQL made up, or was given by `LAST_INSERT_ID(…)`. */
export async function insertedId(tx: EntityManager, sql: string, values: readonly unknown[]): Promise<number> {
  return (await onMysql<ResultSetHeader>(tx, sql, values)).insertId
}

interface Connection {
  query(sql: string, values: unknown[], done: (error: QueryError | null, result: unknown) => void): void
}

async function onMysql<Result>({ queryRunner }: EntityManager, sql: string, values: readonly unknown[]) {
  if (!queryRunner) throw new Error('Only in read() and write()')
  const connection = (await queryRunner.connect()) as Connection
  return new Promise<Result>((resolve, reject) =>
    connection.query(sql, [...values], (error, result) => (error ? reject(error) : resolve(result as Result))),
  )
}

/**
 * `IN (?, …)` and its values. Filled up to one of few lengths by repeating the last one, so that the same text, prepared
 * once, serves many lists.
 */
export function oneOf(values: readonly unknown[]): { sql: string; values: unknown[] } {
  const wanted = lengths.find((length) => length >= values.length) ?? values.length
  const filled = [...values]
  const last: unknown = values.at(-1)
  while (filled.length < wanted) filled.push(last)
  return { sql: `IN (${marks(filled.length)})`, values: filled }
}

const lengths = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024]

const known = new Map<number, string>()

/** `?, ?, …` */
export function marks(count: number): string {
  let text = known.get(count)
  if (text === undefined) {
    text = Array.from({ length: count }, () => '?').join(', ')
    if (count <= 1_024) known.set(count, text)
  }
  return text
}
