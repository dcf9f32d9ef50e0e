import type { EntityManager } from 'typeorm'
import { change, query } from './statements.js'
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
