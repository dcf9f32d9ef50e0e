/** An event as it is stored. What each type says is in the catalogue. No I/O. */
import type { EventId, MessageId, SessionId, TenantId } from '../../proto/contract.js'
import type { Message } from '../messages/message.js'
import type { EventData, EventType } from './catalogue/catalogue.js'

/** Where an event of a node came from: unique for good. */
export interface EventSource {
  nodeId: string
  epoch: string
  position: number
}

/** What is stored of an event's data: a message as its row was, shown as receivers know it only when it is read. */
export type StoredData<Type extends EventType = EventType> = WithRow<EventData<Type>>
type WithRow<Data> = Data extends { message: unknown }
  ? Omit<Data, 'message'> & { message: Message }
  : Data extends { message?: unknown }
    ? Omit<Data, 'message'> & { message?: Message }
    : Data

/** What happened, in the words of the catalogue. */
export type Told = { [Type in EventType]: { type: Type; data: StoredData<Type> } }[EventType]

interface Happened {
  id: EventId
  tenantId: TenantId
  /** Absent for what concerns the tenant as a whole. */
  sessionId?: SessionId
  source?: EventSource
  /** Of the request that caused it. */
  traceId?: string
  /** ms since the epoch. */
  at: number
}

/** An event to be stored. */
export type NewEvent = Happened & Told

/** An event that was stored. Its type may be of a later version, its data of an earlier one. */
export interface StoredEvent extends Happened {
  type: EventType
  data: Record<string, unknown> & { messageId?: MessageId | undefined; message?: Message | undefined }
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
