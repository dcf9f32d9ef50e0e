import type { Tx } from '../db/database.js'
import { isDuplicate } from '../db/database-errors.js'
import { change } from '../db/rows.js'

/** Makes a number that is kept by name at least this high. */
export async function raiseCounter(tx: Tx, name: string, value: number): Promise<void> {
  const raise = () => change(tx, 'UPDATE counters SET value = ? WHERE name = ? AND value < ?', [value, name, value])
  if ((await raise()) > 0 || (await readCounter(tx, name)) !== undefined) return
  try {
    await change(tx, 'INSERT INTO counters (name, value) VALUES (?, ?)', [name, value])
  } catch (error) {
    // Another gateway made it in between.
    if (!isDuplicate(error)) throw error
    await raise()
  }
}

export async function readCounter(reader: Tx, name: string): Promise<number | undefined> {
  const rows: { value: number | string }[] = await reader.query('SELECT value FROM counters WHERE name = ?', [name])
  return rows[0] && Number(rows[0].value)
}
