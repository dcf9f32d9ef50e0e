/**
 * Many rows at once, for paths where TypeORM's query builders cost more than the database does. Values mean the same as
 * where TypeORM writes and reads them: its tests go in one way and out the other.
 */
import type { EntityManager } from 'typeorm'
import type { ColumnMetadata } from 'typeorm/metadata/ColumnMetadata.js'
import type { Dialect } from '../../migrations/columns.js'
import { change, marks, query, sqliteOf, statementOf } from './statements.js'
import type { Table } from './table.js'

export { change } from './statements.js'

/** In one statement for MySQL; a CASE is looked through from its beginning for each row. */
const MOST_INSERTED = 500
/** A server closes the connection over a statement that is longer than it takes: 16 MiB, unless it is told otherwise. */
const MOST_BYTES = 4 * 2 ** 20
const MOST_UPDATED = 40

interface Mapped {
  name: string
  field: string
  encode: (value: unknown) => unknown
  decode: (stored: unknown) => unknown
}

const mappings = new WeakMap<object, Map<string, Mapped[]>>()

function mapping({ connection }: EntityManager, table: string): Mapped[] {
  const tables = mappings.get(connection) ?? new Map<string, Mapped[]>()
  mappings.set(connection, tables)
  let mapped = tables.get(table)
  if (!mapped) {
    const sqlite = connection.options.type === 'better-sqlite3'
    mapped = connection.getMetadata(table).columns.map((column) => mappedOf(column, sqlite))
    tables.set(table, mapped)
  }
  return mapped
}

/** What TypeORM does with a value of this column, found out once and not for each value. */
function mappedOf(column: ColumnMetadata, sqlite: boolean): Mapped {
  const { databaseName: name, propertyName: field, type } = column
  const own = Array.isArray(column.transformer) ? undefined : column.transformer
  const to = (value: unknown): unknown => (own ? own.to(value) : value)
  const from = (stored: unknown): unknown => (own ? own.from(stored) : stored)
  const orNull = (convert: (value: unknown) => unknown) => (value: unknown) =>
    value === undefined || value === null ? null : convert(value)
  if (type === 'datetime' && sqlite) {
    return { name, field, encode: orNull((value) => sqliteTime(value as Date)), decode: orNull(readSqliteTime) }
  }
  if (type === 'boolean' || type === 'tinyint') {
    return { name, field, encode: orNull((value) => (value ? 1 : 0)), decode: from }
  }
  return { name, field, encode: orNull(to), decode: own ? from : (stored) => stored }
}

const sqliteTime = (date: Date) => {
  const text = date.toISOString()
  return `${text.slice(0, 10)} ${text.slice(11, -1)}`
}
const readSqliteTime = (stored: unknown) => new Date(`${(stored as string).replace(' ', 'T')}Z`)

const valuesOf = (columns: readonly Mapped[], row: object) =>
  columns.map(({ field, encode }) => encode((row as Record<string, unknown>)[field]))

function* portions<Row>(rows: readonly Row[], most: number): Generator<readonly Row[]> {
  for (let at = 0; at < rows.length; at += most) yield rows.slice(at, at + most)
}

export async function insertRows<Row extends object>(
  tx: EntityManager,
  table: Table<Row>,
  rows: readonly Row[],
): Promise<void> {
  const columns = mapping(tx, table.tableName)
  const db = sqliteOf(tx)
  if (db) {
    // No server to wait for: one text, prepared once.
    const statement = statementOf(db, `${intoColumns(table, columns)} (${marks(columns.length)})`)
    for (const row of rows) statement.run(...valuesOf(columns, row))
    return
  }
  let waiting: unknown[][] = []
  let bytes = 0
  const insert = async () => {
    const given = waiting
    waiting = []
    bytes = 0
    // Most columns of most rows are empty, and each that is named costs both sides.
    const used = columns.map((_, index) => given.some((values) => values[index] !== null))
    const group = `(${marks(used.filter(Boolean).length)})`
    const groups = given.map(() => group).join(', ')
    const named = columns.filter((_, index) => used[index])
    const values = given.flatMap((each) => each.filter((_, index) => used[index]))
    await change(tx, `${intoColumns(table, named)} ${groups}`, values)
  }
  for (const row of rows) {
    const next = valuesOf(columns, row)
    const size = sizeOf(next)
    if (waiting.length === MOST_INSERTED || (waiting.length > 0 && bytes + size > MOST_BYTES)) await insert()
    waiting.push(next)
    bytes += size
  }
  if (waiting.length > 0) await insert()
}

function intoColumns({ tableName }: { tableName: string }, columns: readonly Mapped[]): string {
  return `INSERT INTO \`${tableName}\` (${columns.map(({ name }) => `\`${name}\``).join(', ')}) VALUES`
}

/** About what they take in a statement. */
function sizeOf(values: readonly unknown[]): number {
  return values.reduce<number>((sum, value) => sum + (typeof value === 'string' ? Buffer.byteLength(value) : 16), 0)
}

/** Sets the given fields of each row, which is found by `key`. */
export async function updateRows<Row extends object>(
  tx: EntityManager,
  table: Table<Row>,
  key: keyof Row & string,
  fields: readonly (keyof Row & string)[],
  rows: readonly Row[],
): Promise<void> {
  const columns = mapping(tx, table.tableName)
  const keyColumn = columns.find(({ field }) => field === key)
  const changed = columns.filter(({ field }) => (fields as readonly string[]).includes(field))
  if (!keyColumn || changed.length !== fields.length) throw new Error(`No such field in ${table.tableName}`)
  const db = sqliteOf(tx)
  if (db) {
    const sets = changed.map(({ name }) => `\`${name}\` = ?`).join(', ')
    const statement = statementOf(db, `UPDATE \`${table.tableName}\` SET ${sets} WHERE \`${keyColumn.name}\` = ?`)
    for (const row of rows) statement.run(...valuesOf([...changed, keyColumn], row))
    return
  }
  for (const some of portions(rows, MOST_UPDATED)) {
    const keys = some.flatMap((row) => valuesOf([keyColumn], row))
    const cases = `CASE \`${keyColumn.name}\` ${'WHEN ? THEN ? '.repeat(some.length)}END`
    const sets: string[] = []
    const values: unknown[] = []
    for (const column of changed) {
      const set = some.flatMap((row) => valuesOf([column], row))
      const isSame = set.every((value) => same(value, set[0]))
      sets.push(`\`${column.name}\` = ${isSame ? '?' : cases}`)
      values.push(...(isSame ? [set[0]] : set.flatMap((value, index) => [keys[index], value])))
    }
    const where = `WHERE \`${keyColumn.name}\` IN (${marks(keys.length)})`
    await change(tx, `UPDATE \`${table.tableName}\` SET ${sets.join(', ')} ${where}`, [...values, ...keys])
  }
}

function same(one: unknown, other: unknown): boolean {
  return one instanceof Date && other instanceof Date ? one.getTime() === other.getTime() : one === other
}

/** Rows by a condition in SQL, in column names. */
export function selectRows<Row extends object>(
  manager: EntityManager,
  table: Table<Row>,
  condition: string,
  values: readonly unknown[],
): Promise<Row[]> {
  return select<Row>(manager, table.tableName, mapping(manager, table.tableName), condition, values)
}

/** Some fields of them. */
export function selectFields<Row extends object, Field extends keyof Row & string>(
  manager: EntityManager,
  table: Table<Row>,
  fields: readonly Field[],
  condition: string,
  values: readonly unknown[],
): Promise<Pick<Row, Field>[]> {
  const columns = mapping(manager, table.tableName).filter(({ field }) => (fields as readonly string[]).includes(field))
  return select<Pick<Row, Field>>(manager, table.tableName, columns, condition, values)
}

async function select<Found>(
  manager: EntityManager,
  tableName: string,
  columns: readonly Mapped[],
  condition: string,
  values: readonly unknown[],
): Promise<Found[]> {
  const names = columns.map(({ name }) => `\`${name}\``).join(', ')
  const found = await query(manager, `SELECT ${names} FROM \`${tableName}\` ${condition}`, values)
  return found.map((raw) => {
    const row: Record<string, unknown> = {}
    for (const { name, field, decode } of columns) row[field] = decode(raw[name])
    return row as Found
  })
}

/** `(?, ?, …)` for a list of values. */
export function inList(values: readonly unknown[]): string {
  return `(${marks(values.length)})`
}

/** A time of day as a value in SQL written by hand. */
export function timeValue(dialect: Dialect, ms: number): Date | string {
  const date = new Date(ms)
  return dialect === 'mysql' ? date : sqliteTime(date)
}
