import { describe, expect, it } from 'vitest'
import {
  afterFailure,
  BREAKER_FAILURES,
  healthy,
  type Health,
  isFailing,
  isHeld,
  isOpen,
  probeAt,
  wants,
} from './webhook.js'

const breaker = { firstMs: 30_000, mostMs: 300_000 }

describe('what a webhook gets', () => {
  const webhook = (events: string[], sessions = ['*']) => ({ id: 'whk_a' as const, events, sessions })
  const event = (type: string, sessionId?: string, data: object = {}) => ({ type, sessionId, data }) as never

  it('is chosen by type, or group of types, and by session', () => {
    expect(wants(webhook(['*']), event('message.received', 'ses_a'))).toBe(true)
    expect(wants(webhook(['message.*']), event('message.received', 'ses_a'))).toBe(true)
    expect(wants(webhook(['message.*']), event('session.connected', 'ses_a'))).toBe(false)
    expect(wants(webhook(['message.sent']), event('message.received', 'ses_a'))).toBe(false)
    expect(wants(webhook(['*'], ['ses_b']), event('message.received', 'ses_a'))).toBe(false)
    expect(wants(webhook(['*'], ['ses_b']), event('quota.warning'))).toBe(false)
  })
  it('leaves out what is told about itself', () => {
    expect(wants(webhook(['*']), event('webhook.failing', undefined, { webhook: { id: 'whk_a' } }))).toBe(false)
    expect(wants(webhook(['*']), event('webhook.failing', undefined, { webhook: { id: 'whk_b' } }))).toBe(true)
  })
})

describe('the breaker', () => {
  const failing = (times: number, from: Health = healthy, at = 0) =>
    Array.from({ length: times }).reduce<Health>((health) => afterFailure(health, at, breaker), from)

  it('opens after five failures in a row, once for those under way together', () => {
    expect(isOpen(failing(BREAKER_FAILURES - 1))).toBe(false)
    const open = failing(BREAKER_FAILURES + 3)
    expect(open).toEqual({ failures: 8, failingSince: 0, failedAt: 0, opened: 1, hold: { from: 0, until: 30_000 } })
    expect([isHeld(open, 29_999), isHeld(open, 30_000)]).toEqual([true, false])
  })
  it('waits longer after each probe that fails, five minutes at most', () => {
    let health = failing(BREAKER_FAILURES)
    const waits = [1, 2, 3, 4, 5].map(() => {
      const now = health.hold?.until ?? 0
      health = afterFailure(health, now, breaker)
      return (health.hold?.until ?? 0) - now
    })
    expect(waits).toEqual([60_000, 120_000, 240_000, 300_000, 300_000])
  })
  it('is told of once nothing was taken for a while', () => {
    const open = failing(BREAKER_FAILURES)
    expect([isFailing(open, 9_999, breaker), isFailing(open, 10_000, breaker)]).toEqual([false, true])
    expect(isFailing(failing(BREAKER_FAILURES - 1), 60_000, breaker)).toBe(false)
  })
  it('lets what is not due be tried for what waits behind it, at growing distances and not before the receiver wishes', () => {
    expect(probeAt(healthy, breaker)).toBeUndefined()
    const minutes = [0, 1, 4, 20, 60, 600]
    const waits = minutes.map((lasting) => {
      const failedAt = lasting * 60_000
      return ((probeAt({ failures: 1, opened: 0, failingSince: 0, failedAt }, breaker) ?? 0) - failedAt) / 60_000
    })
    expect(waits).toEqual([0.5, 0.5, 1, 5, 15, 15])
    const asked = afterFailure(failing(BREAKER_FAILURES), 40_000, breaker, { status: 500, retryAfterMs: 3_600_000 })
    expect(probeAt(asked, breaker)).toBe(3_640_000)
  })
  it('holds from the first failure on when the receiver asks for it, and a shorter wish takes nothing back', () => {
    const asks = (ms: number) => ({ status: 429, retryAfterMs: ms })
    const asked = afterFailure(healthy, 1_000, breaker, asks(120_000))
    expect([isOpen(asked), isHeld(asked, 120_999)]).toEqual([false, true])
    expect(afterFailure(asked, 2_000, breaker, asks(60_000)).hold?.until).toBe(121_000)
  })
  it('is not held by a clock that was put back', () => {
    expect(isHeld(failing(BREAKER_FAILURES, healthy, 7_200_000), 3_600_000)).toBe(false)
  })
})
