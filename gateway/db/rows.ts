/**
 * Many rows in one statement, for paths where TypeORM's query builders cost more than the database does. Values pass
 * through the same transformers as everywhere else, so a row means the same whichever way it went.
 */
import type { EntityManager } from 'typeorm'
import type { ColumnMetadata } from 'typeorm/metadata/ColumnMetadata.js'
import type { Dialect } from '../../migrations/columns.js'
import type { Table } from './table.js'

/** SQLite binds at most 32,766 values. */
const MAX_VALUES = 30_000

interface Mapped {
  column: ColumnMetadata
  name: string
  field: string
}

const mappings = new WeakMap<object, Map<string, Mapped[]>>()

function mapping(manager: EntityManager, table: string): Mapped[] {
  const source = manager.connection
  const tables = mappings.get(source) ?? new Map<string, Mapped[]>()
  mappings.set(source, tables)
  let mapped = tables.get(table)
  if (!mapped) {
    mapped = source
      .getMetadata(table)
      .columns.map((column) => ({ column, name: column.databaseName, field: column.propertyName }))
    tables.set(table, mapped)
  }
  return mapped
}

function bound(manager: EntityManager, { column }: Mapped, value: unknown): unknown {
  return value === undefined || value === null ? null : manager.connection.driver.preparePersistentValue(value, column)
}

const marks = (count: number) => Array.from({ length: count }, () => '?').join(', ')

export async function insertRows<Row extends object>(
  tx: EntityManager,
  table: Table<Row>,
  rows: readonly Row[],
): Promise<void> {
  const columns = mapping(tx, table.tableName)
  const perStatement = Math.floor(MAX_VALUES / columns.length)
  const names = columns.map(({ name }) => `\`${name}\``).join(', ')
  const group = `(${marks(columns.length)})`
  for (let at = 0; at < rows.length; at += perStatement) {
    const some = rows.slice(at, at + perStatement)
    const values = some.flatMap((row) =>
      columns.map((column) => bound(tx, column, (row as Record<string, unknown>)[column.field])),
    )
    const groups = Array.from({ length: some.length }, () => group).join(', ')
    await tx.query(`INSERT INTO \`${table.tableName}\` (${names}) VALUES ${groups}`, values)
  }
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
  const perStatement = Math.floor(MAX_VALUES / (2 * changed.length + 1))
  const valueOf = (row: Row, column: Mapped) => bound(tx, column, (row as Record<string, unknown>)[column.field])
  for (let at = 0; at < rows.length; at += perStatement) {
    const some = rows.slice(at, at + perStatement)
    const cases = `CASE \`${keyColumn.name}\` ${'WHEN ? THEN ? '.repeat(some.length)}END`
    const sets = changed.map(({ name }) => `\`${name}\` = ${cases}`).join(', ')
    const values = changed.flatMap((column) => some.flatMap((row) => [valueOf(row, keyColumn), valueOf(row, column)]))
    await tx.query(`UPDATE \`${table.tableName}\` SET ${sets} WHERE \`${keyColumn.name}\` IN (${marks(some.length)})`, [
      ...values,
      ...some.map((row) => valueOf(row, keyColumn)),
    ])
  }
}

/** Rows by a condition in SQL, in column names. */
export async function selectRows<Row extends object>(
  manager: EntityManager,
  table: Table<Row>,
  condition: string,
  values: readonly unknown[],
): Promise<Row[]> {
  const columns = mapping(manager, table.tableName)
  const names = columns.map(({ name }) => `\`${name}\``).join(', ')
  const found: Record<string, unknown>[] = await manager.query(
    `SELECT ${names} FROM \`${table.tableName}\` ${condition}`,
    [...values],
  )
  const { driver } = manager.connection
  return found.map((raw) => {
    const row: Record<string, unknown> = {}
    for (const { column, name, field } of columns) row[field] = driver.prepareHydratedValue(raw[name], column)
    return row as Row
  })
}

/** Runs a change that is written by hand; answers how many rows it found. */
export async function change(tx: EntityManager, sql: string, values: readonly unknown[]): Promise<number> {
  const { queryRunner } = tx
  if (!queryRunner) throw new Error('Only in a transaction')
  const { affected } = await queryRunner.query(sql, [...values], true)
  return affected ?? 0
}

/** `(?, ?, …)` for a list of values. */
export function inList(values: readonly unknown[]): string {
  return `(${marks(values.length)})`
}

/** A time of day as a value in SQL written by hand. */
export function timeValue(dialect: Dialect, ms: number): Date | string {
  const date = new Date(ms)
  return dialect === 'mysql' ? date : date.toISOString().replace('T', ' ').replace('Z', '')
}
