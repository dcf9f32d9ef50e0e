import { describe, expect, it } from 'vitest'
import { sleep } from '../../runtime/clock.js'
import { Remembered } from './remembered.js'

describe('Remembered', () => {
  function counting(trustMs: number) {
    const rows = new Map<string, string>()
    let looks = 0
    const remembered = new Remembered<string, string>(trustMs, async (key) => {
      looks += 1
      const found = rows.get(key) ?? null
      await sleep(1)
      return found
    })
    return { rows, remembered, looks: () => looks }
  }

  it('looks once for all that ask, also later', async () => {
    const { rows, remembered, looks } = counting(60_000)
    rows.set('a', 'A')
    const together = await Promise.all(['a', 'a', 'a'].map((key) => remembered.find(key)))
    expect([...together, await remembered.find('a')]).toEqual(['A', 'A', 'A', 'A'])
    expect(looks()).toBe(1)
  })

  it('finds at once what is new, and what was changed here, also while a look is on its way', async () => {
    const { rows, remembered } = counting(60_000)
    expect(await remembered.find('a')).toBeNull()
    rows.set('a', 'A')
    const onItsWay = remembered.find('a')
    rows.set('a', 'B')
    remembered.forget()
    expect(await onItsWay).toBe('A')
    expect(await remembered.find('a')).toBe('B')
  })

  it('believes what it knows for so long only, and does not remember a look that failed', async () => {
    const { rows, remembered } = counting(0)
    rows.set('a', 'A')
    expect(await remembered.find('a')).toBe('A')
    rows.set('a', 'B')
    expect(await remembered.find('a')).toBe('B')
    let fails = true
    const failing = new Remembered<string, string>(60_000, async () => {
      if (fails) throw new Error('not now')
      return 'found'
    })
    await expect(failing.find('a')).rejects.toThrow('not now')
    fails = false
    expect(await failing.find('a')).toBe('found')
  })
})
