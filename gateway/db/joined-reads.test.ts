import { expect, it } from 'vitest'
import { JoinedReads } from './joined-reads.js'

it('reads once for all who ask while a read is under way, and only after they asked', async () => {
  const reads = new JoinedReads<number>()
  let value = 1
  let count = 0
  const load = async () => {
    count += 1
    const seen = value
    await new Promise((resolve) => setTimeout(resolve, 5))
    return seen
  }
  const first = reads.read('a', load)
  const together = reads.read('a', load)
  while (count === 0) await new Promise((resolve) => setImmediate(resolve))
  value = 2
  const later = [reads.read('a', load), reads.read('a', load), reads.read('a', load)]
  expect(await Promise.all([first, together])).toEqual([1, 1])
  expect(await Promise.all(later)).toEqual([2, 2, 2])
  expect(count).toBe(2)
  value = 3
  expect(await reads.read('a', load)).toBe(3)
})

it('answers with the failure and reads again afterwards', async () => {
  const reads = new JoinedReads<number>()
  await expect(reads.read('a', () => Promise.reject(new Error('away')))).rejects.toThrow('away')
  expect(await reads.read('a', () => Promise.resolve(7))).toBe(7)
})
