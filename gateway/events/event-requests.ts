import { z } from 'zod'
import { decodeCursor, encodeCursor, pageFields } from '../http/pagination.js'
import { eventTypes } from './catalogue/catalogue.js'

const types = z
  .string()
  .transform((text) => text.split(',').map((type) => type.trim()))
  .pipe(z.array(z.enum(eventTypes, { error: 'is not a type of event' })).max(eventTypes.length))

const session = z.string().min(1).max(64).optional()
const since = z.iso
  .datetime({ offset: true, error: 'must be a time such as 2026-11-22T20:00:00Z' })
  .transform((text) => new Date(text))
  .optional()

export const ListEvents = z.object({ ...pageFields, session, since, type: types.optional() })

/** `lastEventId` for clients that cannot set the header. */
export const StreamEvents = z.object({
  session,
  since,
  type: types.optional(),
  cursor: pageFields.cursor,
  lastEventId: pageFields.cursor,
})

const Place = z.tuple([z.number().int().min(0)])
export const cursorOf = (place: number) => encodeCursor([place])
export const placeOf = (cursor: string) => decodeCursor(Place, cursor)[0]
