import type { EntityManager } from 'typeorm'
import { isDuplicate } from './database-errors.js'
import { change, query, sqliteOf } from './statements.js'
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
  await change(tx, 'UPDATE counters SET value = value + ? WHERE name = ?', [count, name])
  const [row] = await query<{ value: number | string }>(tx, 'SELECT value FROM counters WHERE name = ?', [name])
  if (!row) throw new Error(`There is no counter ${name}`)
  return Number(row.value) - count + 1
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
