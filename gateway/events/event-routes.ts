/** Events as a list that can be read again from any point. */
import Router from '@koa/router'
import { allow } from '../http/authenticate.js'
import type { ApiRouter, ApiState } from '../http/context.js'
import { parse } from '../http/parse.js'
import { cursorOf, ListEvents, placeOf } from './event-requests.js'
import type { Events } from './events.js'

export function eventRoutes(events: Events): ApiRouter {
  const router = new Router<ApiState>({ prefix: '/api/v1' })

  router.get('/events', allow('events:read'), async (ctx) => {
    const { limit, cursor, since, session, type } = parse(ListEvents, ctx.query)
    const { tenantId, key } = ctx.state
    const after = cursor === undefined ? undefined : placeOf(cursor)
    const { data, last } = await events.list({ tenantId, key }, { session, types: type }, { limit, after, since })
    // Always there: what happens next comes after it.
    ctx.body = { data, nextCursor: cursorOf(last) }
  })

  return router
}
