/** Events as they happen: server-sent events and, for who asks for an upgrade, a WebSocket. */
import Router from '@koa/router'
import type { ApiContext, ApiRouter, ApiState } from '../http/context.js'
import { sendEvents, type StreamEvent } from '../http/event-stream.js'
import { handle } from '../http/operation.js'
import { wantsSocket } from '../http/upgrades.js'
import type { EventOpening } from './event-opening.js'
import { streamEvents } from './event-operations.js'
import type { ReadItem } from './event-reader.js'
import { cursorOf } from './event-requests.js'
import type { EventSockets } from './event-sockets.js'

/** The only request that may say its key later. */
export function isEventSocket(ctx: ApiContext): boolean {
  return wantsSocket(ctx) && ctx.path.replace(/\/$/, '') === streamEvents.path
}

export function eventStreamRoutes({ opening, sockets }: { opening: EventOpening; sockets: EventSockets }): ApiRouter {
  const router = new Router<ApiState>()

  handle(router, streamEvents, async (ctx) => {
    if (wantsSocket(ctx)) return sockets.serve(ctx)
    const { items, signal } = await opening.open(ctx)
    sendEvents(ctx, (gone) => asEvents(items(AbortSignal.any([gone, signal]))))
  })

  return router
}

async function* asEvents(items: AsyncIterable<ReadItem>): AsyncGenerator<StreamEvent> {
  for await (const { place, event } of items) {
    // Without an event it only tells where to go on from, should the line break now.
    const id = cursorOf(place)
    yield event ? { id, event: event.type, json: event.json } : { id }
  }
}
