/** What an attempt means for its delivery and its webhook. No I/O. */
import { type Delivery, isGone, type Outcome, succeeded } from './delivery.js'
import { breakerTimes, nextDelayMs, type Schedule } from './schedule.js'
import { afterFailure, DISABLE_AFTER_MS, type Health, healthy, isFailing, type Webhook } from './webhook.js'
import type { WebhookStatus } from './webhook.js'

export interface Verdict {
  delivery: Delivery
  outcome: Outcome
  result: 'succeeded' | 'again' | 'exhausted'
  /** With `again`: ms since the epoch. */
  dueAt?: number
  /** A failure that takes none of the delivery's attempts: it was not its time. */
  isProbe?: boolean
  /** When the webhook is doing better or worse than its row says. */
  turn?: Turn
}

export interface Turn {
  webhook: Webhook
  health: Health
  status: WebhookStatus
  reason: string | null
  /** The first success after an outage. */
  recovered: boolean
}

export interface JudgeOptions {
  schedule: Schedule
  random: () => number
  now: number
  isProbe: boolean
}

export function judge(webhook: Webhook, delivery: Delivery, outcome: Outcome, options: JudgeOptions): Verdict {
  const { schedule, random, now, isProbe } = options
  const { health } = webhook
  if (succeeded(outcome)) {
    if (health.failures === 0 && webhook.status === 'enabled') return { delivery, outcome, result: 'succeeded' }
    const turn: Turn = { webhook, health: healthy, status: 'enabled', reason: null, recovered: true }
    return { delivery, outcome, result: 'succeeded', turn }
  }
  const breaker = breakerTimes(schedule)
  const next = afterFailure(health, now, breaker, outcome)
  const isOver = now - (next.failingSince ?? now) >= DISABLE_AFTER_MS
  const isEnd = isGone(outcome) || isOver
  const status: WebhookStatus = isEnd ? 'disabled' : isFailing(next, now, breaker) ? 'failing' : webhook.status
  const reason = isGone(outcome) ? 'gone' : isOver ? 'failing' : null
  const turn: Turn = { webhook, health: next, status, reason, recovered: false }
  if (isEnd) return { delivery, outcome, result: 'exhausted', turn }
  if (isProbe) return { delivery, outcome, result: 'again', dueAt: delivery.dueAt ?? now, isProbe, turn }
  const delay = nextDelayMs(schedule, delivery.attempts + 1, outcome, random)
  if (delay === undefined) return { delivery, outcome, result: 'exhausted', turn }
  return { delivery, outcome, result: 'again', dueAt: now + delay, turn }
}
