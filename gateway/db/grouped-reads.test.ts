import { expect, it } from 'vitest'
import { GroupedReads } from './grouped-reads.js'

it('reads once for all who ask while others are read, each after they asked', async () => {
  let value = 1
  const groups: string[][] = []
  const reads = new GroupedReads<string, string>(async (keys) => {
    groups.push(keys)
    const seen = value
    await new Promise((resolve) => setTimeout(resolve, 5))
    return new Map(keys.filter((key) => key !== 'nothing').map((key) => [key, `${key}${seen}`]))
  })
  const together = ['a', 'b', 'a', 'nothing'].map((key) => reads.read(key))
  while (groups.length === 0) await new Promise((resolve) => setImmediate(resolve))
  const second = reads.read('a')
  while (groups.length === 1) await new Promise((resolve) => setImmediate(resolve))
  value = 2
  // Two are under way: these wait for one of them, and are one.
  const later = ['a', 'c', 'a'].map((key) => reads.read(key))
  expect(await Promise.all(together)).toEqual(['a1', 'b1', 'a1', undefined])
  expect(await second).toBe('a1')
  expect(await Promise.all(later)).toEqual(['a2', 'c2', 'a2'])
  expect(groups).toEqual([['a', 'b', 'nothing'], ['a'], ['a', 'c']])
})

it('answers with the failure and reads again afterwards', async () => {
  let away = true
  const reads = new GroupedReads<string, number>((keys) =>
    away ? Promise.reject(new Error('away')) : Promise.resolve(new Map(keys.map((key) => [key, 7]))),
  )
  await expect(Promise.all([reads.read('a'), reads.read('b')])).rejects.toThrow('away')
  away = false
  expect(await reads.read('a')).toBe(7)
})
