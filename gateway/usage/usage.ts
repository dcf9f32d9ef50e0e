/** What is counted, and what a message counts as. No I/O. */
import type { ContentType, MessageStatus, SessionId, TenantId } from '../../proto/contract.js'
import { type Message, storedMediaOf } from '../messages/message.js'

/** What becomes of a message that was to be sent; pending ones are not counted yet. */
export const outcomes = ['sent', 'failed', 'unknown'] as const
export type Outcome = (typeof outcomes)[number]

/**
 * What a number counts. `out`: sent through Switchboard; `in`: received; `phone`: typed on the linked phone. Deliveries
 * and attempts are those of webhooks.
 */
export type Metric =
  | `out.${ContentType}.${Outcome}`
  | `in.${ContentType}`
  | `phone.${ContentType}`
  | 'bytes.out'
  | 'bytes.in'
  | 'deliveries.succeeded'
  | 'deliveries.exhausted'
  | 'attempts.failed'
  | 'connected_ms'

/** A day by UTC: `2026-11-23`. */
export type Day = `${number}-${number}-${number}`

/** What is to be added to a number. */
export interface UsageCount {
  tenantId: TenantId
  day: Day
  /** Null for what concerns the tenant as a whole. */
  sessionId: SessionId | null
  metric: Metric
  amount: number
}

export const DAY_MS = 86_400_000

let known = { number: NaN, day: '' as Day }

/** Nearly always the day that was asked for last. */
export function dayOf(ms: number): Day {
  const number = Math.floor(ms / DAY_MS)
  if (number !== known.number) known = { number, day: new Date(ms).toISOString().slice(0, 10) as Day }
  return known.day
}

/** The time between two moments, by days. */
export function* daysOf(from: number, to: number): Generator<{ day: Day; ms: number }> {
  for (let at = from; at < to;) {
    const end = Math.min(to, (Math.floor(at / DAY_MS) + 1) * DAY_MS)
    yield { day: dayOf(at), ms: end - at }
    at = end
  }
}

export function startOf(day: Day): number {
  return Date.parse(`${day}T00:00:00.000Z`)
}

export function outcomeOf(status: MessageStatus): Outcome | null {
  if (status === 'pending') return null
  return status === 'failed' || status === 'unknown' ? status : 'sent'
}

type Counted = Pick<Message, 'tenantId' | 'sessionId' | 'direction' | 'origin' | 'content' | 'status' | 'createdAt'>

/** What a batch adds up to: one number for each thing that is counted. */
export class UsageSum {
  private readonly sums = new Map<string, UsageCount>()

  add(count: Readonly<UsageCount>): void {
    const { tenantId, day, sessionId, metric, amount } = count
    const key = `${tenantId} ${day} ${sessionId ?? ''} ${metric}`
    const sum = this.sums.get(key)
    if (sum) sum.amount += amount
    else this.sums.set(key, { tenantId, day, sessionId, metric, amount })
  }

  /** On the day on which it was accepted, or came in. A file counts once it crossed the line to WhatsApp. */
  addMessage(message: Counted, times: 1 | -1 = 1): void {
    const { tenantId, sessionId, direction, origin, content, status, createdAt } = message
    const isOurs = direction === 'out' && origin !== 'phone'
    const outcome = outcomeOf(status)
    if (isOurs && outcome === null) return
    const day = dayOf(createdAt)
    const count = (metric: Metric, amount: number) =>
      this.add({ tenantId, day, sessionId, metric, amount: amount * times })
    if (isOurs) count(`out.${content.type}.${outcome as Outcome}`, 1)
    else count(`${direction === 'in' ? 'in' : 'phone'}.${content.type}`, 1)
    const file = storedMediaOf(content)
    if (file?.id === undefined || (isOurs && outcome !== 'sent')) return
    count(isOurs ? 'bytes.out' : 'bytes.in', file.size)
  }

  /** What a change adds and takes away. Most changes, such as from `sent` to `delivered`, do neither. */
  addChange(before: Counted, after: Counted): void {
    if (outcomeOf(before.status) === outcomeOf(after.status)) return
    this.addMessage(before, -1)
    this.addMessage(after)
  }

  /** In one order, so that two transactions cannot wait for each other. */
  counts(): UsageCount[] {
    const keys = [...this.sums.keys()].sort()
    return keys.map((key) => this.sums.get(key) as UsageCount).filter(({ amount }) => amount !== 0)
  }
}
