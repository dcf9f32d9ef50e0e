import type { QueryRunner, TableColumnOptions } from 'typeorm'

/** MariaDB speaks as MySQL does here. */
export type Dialect = 'sqlite' | 'mysql'

export function dialectOf(runner: QueryRunner): Dialect {
  return runner.dataSource.options.type === 'better-sqlite3' ? 'sqlite' : 'mysql'
}

export type ColumnKind = 'plain' | 'json' | 'bool' | 'number'
/** A column of a migration, and of the table file that reads it; `kind` says how a value is read back. */
export type Column = TableColumnOptions & { kind?: ColumnKind }
type Extra = Pick<TableColumnOptions, 'isNullable' | 'isPrimary' | 'default'>

export const nullable = { isNullable: true } as const

/**
 * The vocabulary of columns: one word, one meaning on every database. Comparison is by bytes everywhere, whatever the
 * server's default collation is; times are UTC with milliseconds.
 */
export function columns(dialect: Dialect) {
  const mysql = dialect === 'mysql'
  const bytes = mysql ? { charset: 'utf8mb4', collation: 'utf8mb4_bin' } : {}
  const ascii = mysql ? { charset: 'ascii', collation: 'ascii_bin' } : {}
  return {
    /** The primary key: an id of ours. */
    id: (name = 'id'): Column => ({ name, type: 'varchar', length: '36', isPrimary: true, ...ascii }),
    /** The id of something else. */
    ref: (name: string, extra: Extra = {}): Column => ({ name, type: 'varchar', length: '36', ...ascii, ...extra }),
    /** Short ASCII: a status, a reason, a digest. */
    word: (name: string, length: number, extra: Extra = {}): Column => ({
      name,
      type: 'varchar',
      length: String(length),
      ...ascii,
      ...extra,
    }),
    /** A line of any characters that a person or WhatsApp chose. SQLite enforces no length: validate at the edge. */
    line: (name: string, length: number, extra: Extra = {}): Column => ({
      name,
      type: 'varchar',
      length: String(length),
      ...bytes,
      ...extra,
    }),
    /** Long text. */
    text: (name: string, extra: Extra = {}): Column => ({
      name,
      type: mysql ? 'mediumtext' : 'text',
      ...bytes,
      ...extra,
    }),
    /** JSON kept as text and parsed by us: native JSON turns "12" into 12 on MySQL. */
    json: (name: string, extra: Extra = {}): Column => ({
      name,
      type: mysql ? 'mediumtext' : 'text',
      kind: 'json',
      ...bytes,
      ...extra,
    }),
    integer: (name: string, extra: Extra = {}): Column => ({ name, type: mysql ? 'int' : 'integer', ...extra }),
    /** A counter or position beyond 32 bits, up to 2^53. */
    big: (name: string, extra: Extra = {}): Column => ({ name, type: 'bigint', kind: 'number', ...extra }),
    /** A time that machines compare (leases, due): ms since the epoch. */
    ms: (name: string, extra: Extra = {}): Column => ({ name, type: 'bigint', kind: 'number', ...extra }),
    /** A time that people read. */
    time: (name: string, extra: Extra = {}): Column => ({
      name,
      type: 'datetime',
      ...(mysql ? { precision: 3 } : {}),
      ...extra,
    }),
    bool: (name: string, extra: Extra = {}): Column => ({
      name,
      type: mysql ? 'tinyint' : 'boolean',
      kind: 'bool',
      ...extra,
    }),
  }
}

export type Words = ReturnType<typeof columns>
