/** Events as a list that can be read again from any point. */
import Router from '@koa/router'
import { z } from 'zod'
import { allow } from '../http/authenticate.js'
import type { ApiRouter, ApiState } from '../http/context.js'
import { decodeCursor, encodeCursor, pageFields } from '../http/pagination.js'
import { parse } from '../http/parse.js'
import { type EventType, eventTypes } from './catalogue/catalogue.js'
import type { Events } from './events.js'

const Types = z
  .string()
  .transform((text) => text.split(',').map((type) => type.trim()))
  .pipe(z.array(z.enum(eventTypes, { error: 'is not a type of event' })).max(eventTypes.length))
const ListQuery = z.object({
  ...pageFields,
  session: z.string().min(1).max(64).optional(),
  type: Types.optional(),
})
const Place = z.tuple([z.number().int().min(0)])

export function eventRoutes(events: Events): ApiRouter {
  const router = new Router<ApiState>({ prefix: '/api/v1' })

  router.get('/events', allow('events:read'), async (ctx) => {
    const { limit, cursor, session, type } = parse(ListQuery, ctx.query)
    const after = cursor === undefined ? undefined : decodeCursor(Place, cursor)[0]
    const { tenantId, key } = ctx.state
    const filter = { session, types: type as EventType[] | undefined }
    const { data, last } = await events.list({ tenantId, key }, filter, { limit, after })
    // Always there: what happens next comes after it.
    ctx.body = { data, nextCursor: encodeCursor([last]) }
  })

  return router
}
