/** One event owed to one webhook, and the attempts to deliver it. No I/O. */
import type { EventId, SessionId, TenantId } from '../../proto/contract.js'
import type { WebhookId } from './webhook.js'

export type DeliveryId = `dlv_${string}`
export type AttemptId = `att_${string}`
export const deliveryStatuses = ['pending', 'succeeded', 'exhausted', 'cancelled'] as const
export type DeliveryStatus = (typeof deliveryStatuses)[number]

export interface Delivery {
  id: DeliveryId
  tenantId: TenantId
  webhookId: WebhookId
  eventId: EventId
  eventType: string
  sessionId: SessionId | null
  /** Of the event, in the one order of all. */
  place: number
  status: DeliveryStatus
  /** How many were made. */
  attempts: number
  /** ms since the epoch; 0 for at once, whatever a clock says; null when nothing is to come. */
  dueAt: number | null
  createdAt: Date
  /** ms since the epoch. */
  endedAt: number | null
}

export interface Attempt {
  id: AttemptId
  deliveryId: DeliveryId
  at: Date
  /** What the receiver answered; null when it did not. */
  status: number | null
  /** A word: why there is no answer. */
  error: string | null
  durationMs: number
  /** The beginning of what it answered. */
  answer: string | null
}

/** How an attempt went. */
export interface Outcome {
  at: number
  status?: number
  error?: string
  durationMs: number
  answer?: string
  /** What the receiver asks for. */
  retryAfterMs?: number
}

export const succeeded = ({ status = 0 }: Outcome) => status >= 200 && status < 300
export const isGone = ({ status }: Outcome) => status === 410

/** In words for people. */
export function said({ status, error }: Outcome): string {
  return status === undefined ? `No answer: ${(error ?? 'unknown').replaceAll('_', ' ')}.` : `It answered ${status}.`
}
