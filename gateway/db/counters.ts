import type { EntityManager } from 'typeorm'
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
  await tx.increment(counterTable, { name }, 'value', count)
  const { value } = await tx.findOneByOrFail(counterTable, { name })
  return value - count + 1
}
