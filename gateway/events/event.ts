/** What the tenant reads of what happened: names, and what each says. No I/O. */
import type { EventId, MessageId, SessionId, TenantId } from '../../proto/contract.js'

export const eventTypes = [
  'message.queued',
  'message.pending',
  'message.received',
  'message.sent',
  'message.delivered',
  'message.read',
  'message.played',
  'message.failed',
  'message.unknown',
  'message.edited',
  'message.deleted',
  'message.reaction',
  'poll.vote',
  'session.created',
  'session.starting',
  'session.qr_pending',
  'session.connected',
  'session.disconnected',
  'session.stopped',
  'session.logged_out',
  'session.failed',
  'group.joined',
  'group.left',
  'group.updated',
  'call.received',
  'event.unreadable',
  'webhook.failing',
  'webhook.disabled',
  'quota.warning',
  'quota.reached',
] as const
export type EventType = (typeof eventTypes)[number]

/** Where an event of a node came from: unique for good. */
export interface EventSource {
  nodeId: string
  epoch: string
  position: number
}

/** An event to be stored. */
export interface NewEvent {
  id: EventId
  tenantId: TenantId
  /** Absent for what concerns the tenant as a whole. */
  sessionId?: SessionId
  source?: EventSource
  type: EventType
  /** Made when it happened, shown as it is; `messageId` names a message of ours. */
  data: Record<string, unknown> & { messageId?: MessageId }
  /** ms since the epoch. */
  at: number
}

export interface StoredEvent extends NewEvent {
  /** As it was when the event was stored; with `sessionId`. */
  session?: EventSession
  /** Per session, from 1, without gaps; with `sessionId`. */
  sequence?: number
  /** In the one order that readers follow. */
  place: number
}

export interface EventSession {
  name: string
  /** Digits. */
  phone?: string
}
