/** A URL of a tenant that events are posted to: what it wants, and how it is doing. No I/O. */
import type { SessionId, TenantId } from '../../proto/contract.js'
import type { StoredEvent } from '../events/event.js'
import { type BreakerTimes, holdMs } from './schedule.js'

export type WebhookId = `whk_${string}`
/** `failing` is told, and treated like `enabled`; `deleted` ones are on their way out and shown to nobody. */
export type WebhookStatus = 'enabled' | 'failing' | 'paused' | 'disabled' | 'deleted'
export const signatures = ['standard', 'hub'] as const
export type Signature = (typeof signatures)[number]

/** What nobody but its owner and its receiver may know. */
export interface WebhookSecrets {
  /** `whsec_` and base64. */
  secret: string
  /** Sign beside the new one for a while. */
  previous: { secret: string; until: number }[]
  headers: Record<string, string>
}

export interface Webhook extends WebhookSecrets {
  id: WebhookId
  tenantId: TenantId
  url: string
  /** Types, or beginnings of types such as `message.*`; `*` for all. */
  events: string[]
  /** Session ids; `*` for all, and for events without a session. */
  sessions: string[]
  description: string | null
  signature: Signature
  ordered: boolean
  concurrency: number
  status: WebhookStatus
  /** Why it is disabled. */
  reason: string | null
  health: Health
  createdAt: Date
}

/** How the newest attempts went. Kept by the gateway that delivers to it, and handed on with the row. */
export interface Health {
  /** One after the other. */
  failures: number
  /** ms since the epoch: of the first of them, and of the last. */
  failingSince?: number
  failedAt?: number
  /** Times that the breaker opened since the last success. */
  opened: number
  /** No attempt from one time to another, in ms since the epoch. */
  hold?: { from: number; until: number }
  /** ms since the epoch: the receiver asked for no attempt before, of what it was asked about at least. */
  askedUntil?: number
}

export const healthy: Health = { failures: 0, opened: 0 }

/** Consecutive failures after which only probes are sent. */
export const BREAKER_FAILURES = 5
/** A webhook that has failed for so long, and never anything else, is disabled. */
/** So many of the breaker's longest rests lie between two probes before the time, at most. */
const PROBE_RESTS = 3
export const DISABLE_AFTER_MS = 5 * 86_400_000
export const OVERLAP_MS = 86_400_000

export function isOpen({ failures }: Health): boolean {
  return failures >= BREAKER_FAILURES
}

/** Worth telling: it has not taken anything for a while. A receiver that is being restarted is nobody's business. */
export function isFailing(health: Health, now: number, { firstMs }: BreakerTimes): boolean {
  return isOpen(health) && now - (health.failingSince ?? now) >= firstMs / 3
}

/**
 * When what waits for its time in an ordered webhook may be tried before it, for what waits behind it: after a part of
 * the time that it has been failing by now. Undefined when it is not failing.
 */
export function probeAt(health: Health, { firstMs, mostMs }: BreakerTimes): number | undefined {
  const { failingSince, askedUntil = 0 } = health
  if (failingSince === undefined) return undefined
  // A row of an earlier version does not say it.
  const failedAt = health.failedAt ?? failingSince
  const restMs = Math.min(Math.max((failedAt - failingSince) / 4, firstMs), PROBE_RESTS * mostMs)
  return Math.max(failedAt + restMs, askedUntil)
}

/** A clock that was put back must not hold anything for longer. */
export function isHeld({ hold }: Health, now: number): boolean {
  return hold !== undefined && now < hold.until && now >= hold.from - 60_000
}

export function afterFailure(
  before: Health,
  now: number,
  breaker: BreakerTimes,
  outcome: { status?: number; retryAfterMs?: number } = {},
): Health {
  const failures = before.failures + 1
  const failingSince = before.failingSince ?? now
  // Attempts that were under way together open it once.
  const opens = failures >= BREAKER_FAILURES && !isHeld(before, now)
  const opened = before.opened + (opens ? 1 : 0)
  const breakMs = opens ? Math.min(breaker.firstMs * 2 ** Math.min(opened - 1, 20), breaker.mostMs) : 0
  const until = Math.max(now + Math.max(breakMs, holdMs(outcome)), isHeld(before, now) ? (before.hold?.until ?? 0) : 0)
  const { retryAfterMs } = outcome
  return {
    ...{ failures, failingSince, failedAt: now, opened },
    ...(until > now ? { hold: { from: now, until } } : {}),
    ...(retryAfterMs === undefined ? {} : { askedUntil: now + retryAfterMs }),
  }
}

/** Whether a webhook gets this event. One about a webhook does not go to that webhook. */
export function wants(webhook: Pick<Webhook, 'id' | 'events' | 'sessions'>, event: EventOfInterest): boolean {
  const { type, sessionId, data } = event
  if (!webhook.events.some((wanted) => covers(wanted, type))) return false
  if (!webhook.sessions.includes('*')) return sessionId !== undefined && webhook.sessions.includes(sessionId)
  return sessionId !== undefined || (data as { webhook?: { id?: string } }).webhook?.id !== webhook.id
}

type EventOfInterest = Pick<StoredEvent, 'type' | 'data'> & { sessionId?: SessionId | undefined }

export function covers(wanted: string, type: string): boolean {
  return wanted === '*' || wanted === type || (wanted.endsWith('.*') && type.startsWith(wanted.slice(0, -1)))
}

/** The secrets that sign now. */
export function signingSecrets({ secret, previous }: WebhookSecrets, now: number): string[] {
  return [secret, ...previous.filter(({ until }) => until > now).map((old) => old.secret)]
}
