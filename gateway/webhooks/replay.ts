/** A tenant's wish to get events again: done in portions, and by whichever gateway is there. No I/O. */
import type { TenantId } from '../../proto/contract.js'
import type { WebhookId } from './webhook.js'

export type ReplayId = `rpl_${string}`
/** `cancelled`: the webhook was disabled meanwhile. */
export const replayStatuses = ['running', 'done', 'cancelled'] as const
export type ReplayStatus = (typeof replayStatuses)[number]

export interface Replay {
  id: ReplayId
  tenantId: TenantId
  webhookId: WebhookId
  /** Events stored then or later; null for deliveries that are exhausted. */
  since: Date | null
  /** With `since`: also what was delivered. */
  succeeded: boolean
  /** All events up to this place have been looked at. */
  place: number
  /** The last to be looked at: what comes later goes by itself. */
  lastPlace: number
  /** How many were made due. */
  deliveries: number
  status: ReplayStatus
  createdAt: Date
  /** ms since the epoch. */
  endedAt: number | null
}
