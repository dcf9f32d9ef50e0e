import type { EntityManager } from 'typeorm'
import { isDuplicate } from './database-errors.js'
import { change, insertedId, query, sqliteOf } from './statements.js'
import { Table } from './table.js'

interface CounterRow {
  name: string
  value: number
}

export const counterTable = new Table<CounterRow>('counters', (c) => ({
  columns: { name: c.word('name', 64, { isPrimary: true }), value: c.big('value') },
}))

export type CounterName = 'message_position' | 'event_place'

/**
 * Takes the next `count` numbers of a counter and answers with the first of them. The row stays locked until the
 * transaction ends, so what is stored with a lower number is seen no later than what has a higher one.
 */
export async function takeNumbers(tx: EntityManager, name: CounterName, count = 1): Promise<number> {
  const newest = await raised(tx, name, count)
  if (newest === 0) throw new Error(`There is no counter ${name}`)
  return newest - count + 1
}

/** In one statement each; 0 when there is none. */
async function raised(tx: EntityManager, name: CounterName, count: number): Promise<number> {
  if (!sqliteOf(tx)) {
    // What LAST_INSERT_ID() is given comes back with the answer.
    return insertedId(tx, 'UPDATE counters SET value = LAST_INSERT_ID(value + ?) WHERE name = ?', [count, name])
  }
  const sql = 'UPDATE counters SET value = value + ? WHERE name = ? RETURNING value'
  const [row] = await query<{ value: number }>(tx, sql, [count, name])
  return row?.value ?? 0
}

/** Whoever takes the turn of the same name waits until this transaction ends. */
export async function takeTurn(tx: EntityManager, name: string): Promise<void> {
  // One writer at a time.
  if (sqliteOf(tx)) return
  const take = () => change(tx, 'UPDATE counters SET value = value + 1 WHERE name = ?', [name])
  if ((await take()) > 0) return
  try {
    await change(tx, 'INSERT INTO counters (name, value) VALUES (?, 1)', [name])
  } catch (error) {
    // Another one made it in between.
    if (!isDuplicate(error)) throw error
    await take()
  }
}
