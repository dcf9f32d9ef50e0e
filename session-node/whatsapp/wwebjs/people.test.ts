import { expect, it } from 'vitest'
import { silentLog } from '../../../runtime/log.js'
import type { Person } from './page/page-types.js'
import { People } from './people.js'

it('asks about each LID once an hour, about thirty a minute, and not at all for a while when that came to nothing', async () => {
  let now = 0
  let answers = true
  const asked: string[][] = []
  const ask = (lids: string[]) => {
    asked.push(lids)
    if (!answers) return Promise.reject(new Error('It took too long.'))
    // Even ones hide their number.
    return Promise.resolve(
      lids.map((id): Person => (parseInt(id) % 2 ? { id, phone: id.replace('lid', 'c.us') } : { id })),
    )
  }
  const people = new People({ ask, log: silentLog() }, () => now)
  const some = (...numbers: number[]) => numbers.map((number): Person => ({ id: `${number}@lid` }))
  const complete = async (...numbers: number[]) => {
    const given = some(...numbers)
    await people.complete(given)
    return given.map(({ phone }) => phone)
  }

  expect(people.fill([{ id: '5@c.us', phone: '5@c.us' }, { id: '6@g.us' }])).toBe(true)
  expect(people.fill(some(1, 2))).toBe(false)
  expect(await complete(1, 2, 1)).toEqual(['1@c.us', undefined, '1@c.us'])
  expect(people.fill(some(1, 2))).toBe(true)
  now += 3_600_001
  expect([people.fill(some(1)), people.fill(some(2))]).toEqual([true, false])

  const crowd = Array.from({ length: 40 }, (_, index) => 11 + 2 * index)
  expect((await complete(...crowd)).filter((phone) => phone !== undefined)).toHaveLength(30)
  now += 61_000
  expect((await complete(...crowd)).filter((phone) => phone !== undefined)).toHaveLength(40)

  answers = false
  expect(await complete(201)).toEqual([undefined])
  expect(people.fill(some(203))).toBe(true)
  now += 61_000
  expect(people.fill(some(203))).toBe(false)
  expect(asked.map(({ length }) => length)).toEqual([2, 30, 10, 1])
})
