import { z } from 'zod'
import { operation } from '../http/operation.js'
import { envelopeSchema, type EventType, eventTypes, exampleOf } from './catalogue/catalogue.js'
import { ListEvents, StreamEvents } from './event-requests.js'

const tag = 'Events'

/** `message.received` is `MessageReceivedEvent`. */
export const eventSchemaName = (type: EventType) =>
  `${type.replace(/(?:^|[._])([a-z])/g, (_, letter: string) => letter.toUpperCase())}Event`

/** The shape of each type, as a component of the document. */
const shownEvents = new Map(
  eventTypes.map((type) => [type, envelopeSchema(type).meta({ id: eventSchemaName(type) })] as const),
)
type Shapes = [ReturnType<typeof envelopeSchema>, ...ReturnType<typeof envelopeSchema>[]]
const shownEvent = z
  .discriminatedUnion('type', [...shownEvents.values()] as Shapes)
  .meta({ id: 'Event', description: 'A fact that a session or a tenant is told of. Later versions have more types.' })

const codes = ['session_not_found', 'invalid_cursor', 'cursor_expired'] as const

export const listEvents = operation({
  id: 'listEvents',
  method: 'get',
  path: '/api/v1/events',
  tag,
  scope: 'events:read',
  summary: 'List events, oldest first',
  description: 'From any point on, as often as you like.',
  query: ListEvents,
  codes,
  answers: {
    200: {
      description: 'A page of events.',
      schema: z
        .object({
          data: z.array(shownEvent),
          nextCursor: z.string().describe('always there: what happens next comes after it'),
        })
        .meta({ id: 'EventPage' }),
      examples: { events: { data: [exampleOf('message.delivered')], nextCursor: 'WzQxXQ' } },
    },
  },
})

export const streamEvents = operation({
  id: 'streamEvents',
  method: 'get',
  path: '/api/v1/events/stream',
  tag,
  scope: 'events:read',
  summary: 'Follow events as they happen',
  description:
    'Server-sent events; or a WebSocket, when the request asks for that upgrade. A browser, which cannot set headers on a WebSocket, sends its key as the first message: see docs/events.md.',
  checksItself: true,
  query: StreamEvents,
  headers: z.object({
    'Last-Event-ID': z
      .string()
      .meta({ description: 'goes on after this one; browsers send it by themselves' })
      .optional(),
  }),
  codes: [...codes, 'invalid_request', 'malformed_handshake', 'too_many_streams'],
  answers: {
    101: { description: 'It is a WebSocket from now on.' },
    200: {
      description: 'The events, for as long as somebody listens.',
      otherTypes: {
        'text/event-stream': {
          description: 'each has its cursor as `id`, its type as `event`, and the event as `data`',
          example: `id: WzQxXQ\nevent: message.delivered\ndata: ${JSON.stringify(exampleOf('message.delivered'))}\n\n`,
        },
      },
    },
  },
})

export const eventOperations = [listEvents, streamEvents]
