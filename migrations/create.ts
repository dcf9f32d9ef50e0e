import {
  type MigrationInterface,
  type QueryRunner,
  Table,
  TableColumn,
  TableForeignKey,
  TableIndex,
  TableUnique,
} from 'typeorm'
import { faultPoint } from '../runtime/fault-point.js'
import { type Column, columns, dialectOf, type Words } from './columns.js'

export interface Shape {
  columns: Column[]
  uniques?: Record<string, string[]>
  indices?: Record<string, string[]>
  /** Name: [own columns, table, its columns, what deleting the other does]. */
  foreignKeys?: Record<
    string,
    [columns: string[], table: string, referenced: string[], onDelete: 'CASCADE' | 'NO ACTION']
  >
}

/**
 * A migration that makes one table, and can be run again after it was interrupted: MySQL commits each change of a table
 * by itself, so the table may be there without the migration being recorded.
 */
export function createTable(table: string, shape: (words: Words) => Shape) {
  return class implements MigrationInterface {
    async up(runner: QueryRunner): Promise<void> {
      const { columns: own, uniques = {}, indices = {}, foreignKeys = {} } = shape(columns(dialectOf(runner)))
      await runner.createTable(
        new Table({
          name: table,
          columns: own.map(({ kind: _, ...column }) => column),
          uniques: Object.entries(uniques).map(([name, columnNames]) => new TableUnique({ name, columnNames })),
          indices: Object.entries(indices).map(([name, columnNames]) => new TableIndex({ name, columnNames })),
          foreignKeys: Object.entries(foreignKeys).map(
            ([name, [columnNames, referencedTableName, referencedColumnNames, onDelete]]) =>
              // MariaDB reports a difference for ever unless onUpdate is said.
              new TableForeignKey({
                name,
                columnNames,
                referencedTableName,
                referencedColumnNames,
                onDelete,
                onUpdate: 'NO ACTION',
              }),
          ),
        }),
        true,
      )
      faultPoint('migration.unrecorded')
    }

    async down(runner: QueryRunner): Promise<void> {
      await runner.dropTable(table, true)
    }
  }
}

/** A migration that adds columns to a table, and can be run again after it was interrupted. */
export function addColumns(table: string, added: (words: Words) => Column[]) {
  return class implements MigrationInterface {
    up(runner: QueryRunner): Promise<void> {
      return add(runner, table, added)
    }

    down(runner: QueryRunner): Promise<void> {
      return drop(runner, table, added)
    }
  }
}

/** A migration that drops columns of a table, and can be run again after it was interrupted. */
export function dropColumns(table: string, dropped: (words: Words) => Column[]) {
  return class implements MigrationInterface {
    up(runner: QueryRunner): Promise<void> {
      return drop(runner, table, dropped)
    }

    down(runner: QueryRunner): Promise<void> {
      return add(runner, table, dropped)
    }
  }
}

async function add(runner: QueryRunner, table: string, added: (words: Words) => Column[]): Promise<void> {
  for (const { kind: _, ...column } of added(columns(dialectOf(runner)))) {
    if (await runner.hasColumn(table, column.name)) continue
    if (dialectOf(runner) === 'mysql') await runner.addColumn(table, new TableColumn(column))
    else await runner.query(`ALTER TABLE "${table}" ADD COLUMN ${sqliteColumn(column)}`)
  }
}

async function drop(runner: QueryRunner, table: string, dropped: (words: Words) => Column[]): Promise<void> {
  for (const { name } of dropped(columns(dialectOf(runner)))) {
    if (!(await runner.hasColumn(table, name))) continue
    if (dialectOf(runner) === 'mysql') await runner.dropColumn(table, name)
    else await runner.query(`ALTER TABLE "${table}" DROP COLUMN "${name}"`)
  }
}

/** A migration that drops an index, and can be run again after it was interrupted. */
export function dropIndex(table: string, name: string, columnNames: string[]) {
  const isThere = async (runner: QueryRunner) =>
    (await runner.getTable(table))?.indices.some((index) => index.name === name) ?? false
  return class implements MigrationInterface {
    async up(runner: QueryRunner): Promise<void> {
      if (await isThere(runner)) await runner.dropIndex(table, name)
    }

    async down(runner: QueryRunner): Promise<void> {
      if (!(await isThere(runner))) await runner.createIndex(table, new TableIndex({ name, columnNames }))
    }
  }
}

/** By hand: TypeORM would copy the whole table, and foreign keys to it would not let it go. */
function sqliteColumn({ name, type, length, isNullable, default: value }: Omit<Column, 'kind'>): string {
  const size = length === undefined ? '' : `(${length})`
  return `"${name}" ${type}${size}${isNullable ? '' : ' NOT NULL'}${value === undefined ? '' : ` DEFAULT ${value}`}`
}
