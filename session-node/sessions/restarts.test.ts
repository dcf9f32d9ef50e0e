import { describe, expect, it } from 'vitest'
import { Restarts } from './restarts.js'
import { defaultTiming } from './timing.js'

describe('restarts', () => {
  const start = (random = 0.5) => {
    const time = { now: 0 }
    return {
      time,
      restarts: new Restarts(
        defaultTiming,
        () => time.now,
        () => random,
      ),
    }
  }
  /** A session that dies as soon as it has been started. */
  const deaths = ({ time, restarts }: ReturnType<typeof start>, count: number) =>
    Array.from({ length: count }, () => {
      const { waitMs, broken } = restarts.next()
      time.now += waitMs
      return broken ? `${waitMs / 1_000} broken` : waitMs / 1_000
    })

  it('come after 2, 4, 8, 16 s, then a breaker waits 15 min before each further trial, for ever', () => {
    expect(deaths(start(), 7)).toEqual([2, 4, 8, 16, '900 broken', '900 broken', '900 broken'])
  })

  it('wait five minutes at most when they are rare', () => {
    const run = start()
    const waits = Array.from({ length: 12 }, () => {
      run.time.now += 300_000
      return run.restarts.next().waitMs
    })
    expect(Math.max(...waits)).toBe(300_000)
  })

  it('vary by a fifth, so that sessions do not all come back at once', () => {
    expect([start(0).restarts.next().waitMs, start(1).restarts.next().waitMs]).toEqual([1_600, 2_400])
  })

  it('begin anew after ten minutes of connection, and when somebody asks', () => {
    const run = start()
    deaths(run, 6)
    run.restarts.connected()
    run.time.now += 600_000
    expect(deaths(run, 2)).toEqual([2, 4])
    run.restarts.reset()
    expect(deaths(run, 1)).toEqual([2])
  })
})
