import { EntitySchema, type EntitySchemaColumnOptions, type ValueTransformer } from 'typeorm'
import { type Column, type ColumnKind, columns, type Dialect, type Words } from '../../migrations/columns.js'

export { nullable } from '../../migrations/columns.js'

export interface TableDefinition<Row> {
  columns: Record<keyof Row & string, Column>
  uniques?: Record<string, string[]>
  indices?: Record<string, string[]>
  /** Name: [own fields, table, its columns, what deleting the other does]. */
  foreignKeys?: Record<
    string,
    [fields: string[], table: string, referenced: string[], onDelete: 'CASCADE' | 'NO ACTION']
  >
}

/**
 * How a row reads on every database, in the words that migrations use. Keys are fields of the row, column names stand in
 * the words; uniques, indices and foreign keys name fields. A drift test keeps this equal to the migrations.
 */
export class Table<Row extends object> extends EntitySchema<Row> {
  constructor(
    readonly tableName: string,
    private readonly define: (words: Words) => TableDefinition<Row>,
  ) {
    super(schemaOf(tableName, define(columns('sqlite'))))
  }

  /** As the database calls them. */
  columnNames(): string[] {
    return Object.values<Column>(this.define(columns('sqlite')).columns).map(({ name }) => name)
  }

  /** What a connection to this kind of database is given. It is found again by name, so queries may name this table. */
  forDialect(dialect: Dialect): EntitySchema<Row> {
    return new EntitySchema(schemaOf(this.tableName, this.define(columns(dialect))))
  }
}

function schemaOf<Row extends object>(name: string, definition: TableDefinition<Row>) {
  const { uniques = {}, indices = {}, foreignKeys = {} } = definition
  const fields = Object.entries<Column>(definition.columns).map(([field, column]) => [field, fieldOf(column)])
  return {
    name,
    tableName: name,
    columns: Object.fromEntries(fields) as { [Field in keyof Row]: EntitySchemaColumnOptions },
    uniques: Object.entries(uniques).map(([unique, own]) => ({ name: unique, columns: own })),
    indices: Object.entries(indices).map(([index, own]) => ({ name: index, columns: own })),
    foreignKeys: Object.entries(foreignKeys).map(([key, [own, target, referencedColumnNames, onDelete]]) => ({
      name: key,
      target,
      columnNames: own,
      referencedColumnNames,
      onDelete,
      onUpdate: 'NO ACTION' as const,
    })),
  }
}

function fieldOf({ kind = 'plain', isNullable, isPrimary, ...column }: Column): EntitySchemaColumnOptions {
  const { type, precision, ...same } = column
  const transformer = transformers[kind]
  return {
    ...same,
    type: type as EntitySchemaColumnOptions['type'],
    nullable: isNullable ?? false,
    primary: isPrimary ?? false,
    ...(precision ? { precision } : {}),
    ...(transformer ? { transformer } : {}),
  } as EntitySchemaColumnOptions
}

/** Only `null` and real values pass: TypeORM hands operators of a `where` through here as well, and they stay as they are. */
const transformers: Record<ColumnKind, ValueTransformer | undefined> = {
  plain: undefined,
  json: {
    to: (value: unknown) => (value === null || value === undefined ? value : JSON.stringify(value)),
    from: (stored: string | null) => (stored === null ? null : (JSON.parse(stored) as unknown)),
  },
  // mysql2 gives big integers as text.
  number: {
    to: (value: unknown) => value,
    from: (stored: string | number | null) => (stored === null ? null : Number(stored)),
  },
  bool: {
    // TypeORM itself makes numbers of booleans for SQLite, and takes a number for false.
    to: (value: unknown) => value,
    from: (stored: number | boolean | null) => (stored === null ? null : Boolean(stored)),
  },
}
