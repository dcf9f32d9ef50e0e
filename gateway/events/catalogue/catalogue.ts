/** All types of events: what each says, in one place. */
import { z } from 'zod'
import { type Definition, examples, idOf, phone, time } from './definition.js'
import { messageTypes } from './message-types.js'
import { sessionTypes } from './session-types.js'
import { tenantTypes } from './tenant-types.js'

export const API_VERSION = 'v1'

export const catalogue = { ...messageTypes, ...sessionTypes, ...tenantTypes }
export type EventType = keyof typeof catalogue
export const eventTypes = Object.keys(catalogue) as [EventType, ...EventType[]]

/** What `data` of an event of this type holds, as receivers get it. */
export type EventData<Type extends EventType = EventType> = z.output<(typeof catalogue)[Type]['data']>

export const definitionOf = (type: EventType): Definition => catalogue[type] as unknown as Definition

const envelope = {
  id: idOf('evt').describe('unique; the same event always has the same id'),
  timestamp: time.describe('when it happened'),
  data: z.unknown(),
  apiVersion: z.literal(API_VERSION),
}
const ofSession = {
  session: z
    .strictObject({ id: idOf('ses'), name: z.string(), phone: phone.optional() })
    .describe('as it was when the event was stored'),
  sequence: z.number().int().min(1).describe('counts the events of the session, from 1, without gaps'),
}

/** The envelope of one type, exactly. */
export function envelopeSchema(type: EventType) {
  const { data, ofSession: hasSession, description } = definitionOf(type)
  const { id, timestamp, apiVersion } = envelope
  const fields = { id, type: z.literal(type), timestamp, ...(hasSession ? ofSession : {}), data, apiVersion }
  return z.strictObject(fields).describe(description)
}

export type Envelope<Type extends EventType = EventType> = {
  [Each in Type]: {
    id: string
    type: Each
    timestamp: string
    session?: { id: string; name: string; phone?: string }
    sequence?: number
    data: EventData<Each>
    apiVersion: typeof API_VERSION
  }
}[Type]

export function exampleOf(type: EventType) {
  const { example, ofSession: hasSession } = definitionOf(type)
  return {
    id: 'evt_01kaxq2w5c6d7e8f9g0h1j2k3m',
    type,
    timestamp: examples.time,
    ...(hasSession ? { session: examples.session, sequence: 41 } : {}),
    data: example,
    apiVersion: API_VERSION,
  }
}
