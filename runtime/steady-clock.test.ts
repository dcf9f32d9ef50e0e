import { describe, expect, it } from 'vitest'
import { steadyClock } from './steady-clock.js'

describe('the steady clock', () => {
  it('begins at the wall clock and runs evenly on, however that is set', () => {
    let wall = Date.UTC(2026, 0, 1)
    let elapsedMs = 500
    const now = steadyClock(
      () => wall,
      () => elapsedMs,
    )
    expect(now()).toBe(Date.UTC(2026, 0, 1))
    wall += 48 * 3_600_000
    elapsedMs += 1_000
    expect(now()).toBe(Date.UTC(2026, 0, 1, 0, 0, 1))
    wall = 0
    elapsedMs += 1_000
    expect(now()).toBe(Date.UTC(2026, 0, 1, 0, 0, 2))
  })
})
