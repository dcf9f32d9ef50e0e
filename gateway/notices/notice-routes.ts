/** What operators have to hear of all tenants, for the bot: a list that is read on from a cursor. */
import Router from '@koa/router'
import { z } from 'zod'
import type { EventPresenter } from '../events/event-presenter.js'
import { ALL_TENANTS, type EventRepository } from '../events/event-repository.js'
import type { ApiRouter, ApiState } from '../http/context.js'
import { handle } from '../http/operation.js'
import { decodeCursor, encodeCursor } from '../http/pagination.js'
import { listNotices, noticeTypes } from './notice-operations.js'

const Place = z.tuple([z.number().int().min(0)])

export interface NoticeParts {
  events: Pick<EventRepository, 'list' | 'newestPlace'>
  presenter: Pick<EventPresenter, 'all'>
}

export function noticeRoutes({ events, presenter }: NoticeParts): ApiRouter {
  const router = new Router<ApiState>()

  handle(router, listNotices, async (ctx, { query: { limit, cursor } }) => {
    const newest = await events.newestPlace()
    // Without a cursor: from now on.
    const after = cursor === undefined ? newest : decodeCursor(Place, cursor)[0]
    const found = after >= newest ? [] : await events.list(after, limit, { tenantId: ALL_TENANTS, types: noticeTypes })
    const shown = await presenter.all(found)
    // One that is ahead of all is from before the database was restored: it goes on from where things are now.
    const last = found.at(-1)?.place ?? Math.min(after, newest)
    ctx.body = {
      data: shown.map((event, index) => ({ ...event, tenant: found[index]?.tenantId })),
      // What was looked through need not be looked through again.
      nextCursor: encodeCursor([found.length < limit ? Math.max(newest, last) : last]),
    }
  })

  return router
}
