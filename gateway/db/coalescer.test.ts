import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { AppError } from '../../runtime/app-error.js'
import { databases, openDatabase } from '../../test/databases.js'
import { Coalescer } from './coalescer.js'
import { counterTable } from './counters.js'
import { isDuplicate } from './database-errors.js'
import type { Database } from './database.js'

describe.each(databases())('Coalescer on $name', (target) => {
  let db: Database
  const batches: number[] = []
  const inserting = (onBatch = (size: number) => void batches.push(size)) =>
    new Coalescer<string, string>({
      db,
      store: async (tx, names) => {
        onBatch(names.length)
        await tx.insert(
          counterTable,
          names.map((name) => ({ name, value: 1 })),
        )
        return names.map((name) => `stored ${name}`)
      },
    })

  beforeAll(async () => {
    db = await openDatabase(target)
  })
  afterAll(() => db.stop())

  it('commits what comes at once in one transaction, at most 200 at a time', async () => {
    const names = Array.from({ length: 250 }, (_, i) => `a${i}`)
    const coalescer = inserting()
    const results = await Promise.all(names.map((name) => coalescer.add(name)))
    expect(results).toEqual(names.map((name) => `stored ${name}`))
    expect(batches).toEqual([200, 50])
  })

  it('gives an error to the caller whose row it is, and stores the others', async () => {
    const coalescer = inserting()
    await coalescer.add('b1')
    const [first, duplicate, last] = await Promise.allSettled(['b0', 'b1', 'b2'].map((name) => coalescer.add(name)))
    expect(first).toEqual({ status: 'fulfilled', value: 'stored b0' })
    expect(last).toEqual({ status: 'fulfilled', value: 'stored b2' })
    expect(duplicate?.status === 'rejected' && isDuplicate(duplicate.reason)).toBe(true)
    const count = await db.read((reader) =>
      reader.countBy(counterTable, [{ name: 'b0' }, { name: 'b1' }, { name: 'b2' }]),
    )
    expect(count).toBe(3)
  })

  it.each(['database_unavailable', 'database_busy'])('refuses a whole batch at once: %s', async (reason) => {
    let tries = 0
    const away = new Coalescer({
      db,
      store: () => {
        tries += 1
        throw new AppError('unavailable', 'not now', { reason })
      },
    })
    const done = await Promise.allSettled([1, 2, 3].map((item) => away.add(item)))
    expect(done.map(({ status }) => status)).toEqual(['rejected', 'rejected', 'rejected'])
    expect(tries).toBe(1)
  })
})
