/** Events as a list that can be read again from any point. */
import Router from '@koa/router'
import type { ApiRouter, ApiState } from '../http/context.js'
import { handle } from '../http/operation.js'
import { listEvents } from './event-operations.js'
import { cursorOf, placeOf } from './event-requests.js'
import type { Events } from './events.js'

export function eventRoutes(events: Events): ApiRouter {
  const router = new Router<ApiState>()

  handle(router, listEvents, async (ctx, { query: { limit, cursor, since, session, type } }) => {
    const { tenantId, key } = ctx.state
    const after = cursor === undefined ? undefined : placeOf(cursor)
    const { data, last } = await events.list({ tenantId, key }, { session, types: type }, { limit, after, since })
    // Always there: what happens next comes after it.
    ctx.body = { data, nextCursor: cursorOf(last) }
  })

  return router
}
