import { describe, expect, it } from 'vitest'
import { breakerTimes, DEFAULT_SCHEDULE, holdMs, nextDelayMs, parseRetryAfter, parseSchedule } from './schedule.js'

const S = 1_000
const NOW = Date.parse('2026-11-22T12:00:00Z')

describe('DELIVERY_SCHEDULE', () => {
  it('is read in units, or in milliseconds', () => {
    expect(parseSchedule('0, 5s,1.5m ,2h,1d')).toEqual([0, 5_000, 90_000, 7_200_000, 86_400_000])
    expect(parseSchedule('0,5,300')).toEqual([0, 5, 300])
  })
  it.each(['', 'soon', '5 s', '-1', '0,,5s', '31d', '1e9', Array(51).fill('1').join()])('is refused as %j', (text) => {
    expect(() => parseSchedule(text)).toThrow()
  })
  it('has the ten attempts of the documentation, over 75 hours', () => {
    expect(DEFAULT_SCHEDULE).toEqual(parseSchedule('0,5s,5m,30m,2h,5h,10h,14h,20h,24h'))
  })
})

describe('the delay before the next attempt', () => {
  it('grows with each, and jitter only adds, a fifth at most', () => {
    for (const [made, planned] of [...DEFAULT_SCHEDULE.entries()].slice(1)) {
      expect(nextDelayMs(DEFAULT_SCHEDULE, made, {}, () => 0)).toBe(planned)
      expect(nextDelayMs(DEFAULT_SCHEDULE, made, {}, () => 0.999_999)).toBeLessThanOrEqual(planned * 1.2)
    }
    expect(nextDelayMs(DEFAULT_SCHEDULE, DEFAULT_SCHEDULE.length, {})).toBeUndefined()
  })
  it('is as long as the receiver asks for, and a minute at least when it was too much', () => {
    const exact = (status: number, retryAfterMs?: number, made = 1) =>
      nextDelayMs(DEFAULT_SCHEDULE, made, { status, ...(retryAfterMs ? { retryAfterMs } : {}) }, () => 0)
    expect(exact(429, 120 * S)).toBe(120 * S)
    expect(exact(429, 10 * S)).toBe(60 * S)
    expect(exact(429)).toBe(60 * S)
    expect(exact(503, 10 * S)).toBe(10 * S)
    expect(exact(503, 10 * S, 2)).toBe(300 * S)
    expect([holdMs({ status: 429 }), holdMs({ status: 503 }), holdMs({ status: 503, retryAfterMs: 7 })]).toEqual([
      60 * S,
      0,
      7,
    ])
  })
})

describe('Retry-After', () => {
  it.each([
    ['120', 120 * S],
    [' 7 ', 7 * S],
    ['Sun, 22 Nov 2026 12:02:00 GMT', 120 * S],
    ['Sunday, 22-Nov-26 12:02:00 GMT', 120 * S],
    ['999999', 86_400 * S],
    ['Wed, 22 Nov 2028 12:02:00 GMT', 86_400 * S],
    ['0', undefined],
    ['-5', undefined],
    ['1.5', undefined],
    ['soon', undefined],
    ['', undefined],
    ['2026', 2026 * S],
    ['Sun, 22 Nov 2020 12:02:00 GMT', undefined],
    ['2026-11-22T12:02:00Z', undefined],
    ['99999999999999999999', undefined],
  ])('%j is %s ms', (text, ms) => expect(parseRetryAfter(text, NOW)).toBe(ms))
})

it('holds a broken receiver for 30 s, up to 5 min, and in proportion for another schedule', () => {
  expect(breakerTimes(DEFAULT_SCHEDULE)).toEqual({ firstMs: 30 * S, mostMs: 300 * S })
  expect(breakerTimes([0, 5, 300, 1_800])).toEqual({ firstMs: 30, mostMs: 300 })
  expect(breakerTimes([0])).toEqual({ firstMs: 30 * S, mostMs: 30 * S })
})
