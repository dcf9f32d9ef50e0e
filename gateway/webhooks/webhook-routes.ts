import Router from '@koa/router'
import type { ApiContext, ApiRouter, ApiState } from '../http/context.js'
import { handle, routeOf } from '../http/operation.js'
import { decodeCursor, page } from '../http/pagination.js'
import type { IdempotencyKeys } from '../idempotency/idempotency-keys.js'
import type { KeyedRequests } from '../idempotency/keyed-requests.js'
import { callerOf } from '../messages/message-routes.js'
import { succeeded } from './delivery.js'
import type { Deliveries } from './deliveries.js'
import { getDelivery, listDeliveries, listReplays, replayDeliveries, retryDelivery } from './delivery-operations.js'
import type { Replays } from './replays.js'
import {
  changeWebhook,
  createWebhook,
  deleteWebhook,
  getWebhook,
  listWebhooks,
  rotateSecret,
  type ShownTest,
  testWebhook,
} from './webhook-operations.js'
import { presentDelivery, presentReplay, presentWebhook, presentWithSecret } from './webhook-presenter.js'
import { AfterId, BeforePlace } from './webhook-requests.js'
import type { Webhook } from './webhook.js'
import type { Webhooks } from './webhooks.js'

export interface WebhookRoutesOptions {
  webhooks: Webhooks
  deliveries: Deliveries
  replays: Replays
  keyed: KeyedRequests
  keys: IdempotencyKeys
}

export function webhookRoutes({ webhooks, deliveries, replays, keyed, keys }: WebhookRoutesOptions): ApiRouter {
  const router = new Router<ApiState>()

  /** The answer holds the secret: it is stored, sealed, in the transaction that makes it, and told again under the key. */
  function answerWithSecret(ctx: ApiContext, status: number) {
    return (webhook: Webhook) => {
      const location = `/api/v1/webhooks/${webhook.id}`
      ctx.status = status
      if (status === 201) ctx.set('Location', location)
      ctx.body = presentWithSecret(webhook)
      return { made: webhook.id, answer: { status, ...(status === 201 ? { location } : {}), body: ctx.body } }
    }
  }

  handle(router, createWebhook, async (ctx, { body: wanted }) => {
    const key = keyed.keyOf(ctx, routeOf(createWebhook))
    const answer = answerWithSecret(ctx, 201)
    await keyed.once(ctx, key?.asks(wanted), async (claim) => {
      const webhook = await webhooks.create(callerOf(ctx), wanted, async (tx, made) => {
        if (claim) await keys.settle(tx, claim, answer(made))
      })
      answer(webhook)
    })
  })

  handle(router, listWebhooks, async (ctx, { query: { limit, cursor } }) => {
    const [after] = cursor === undefined ? [undefined] : decodeCursor(AfterId, cursor)
    const rows = await webhooks.list(callerOf(ctx), limit + 1, after)
    ctx.body = page(rows, limit, presentWebhook, ({ id }) => [id])
  })

  handle(router, getWebhook, async (ctx, { params }) => {
    ctx.body = presentWebhook(await webhooks.get(callerOf(ctx), params.id))
  })

  handle(router, changeWebhook, async (ctx, { params, body: changes }) => {
    ctx.body = presentWebhook(await webhooks.change(callerOf(ctx), params.id, changes))
  })

  handle(router, deleteWebhook, async (ctx, { params }) => {
    await webhooks.delete(callerOf(ctx), params.id)
    ctx.status = 204
  })

  handle(router, rotateSecret, async (ctx, { params }) => {
    const key = keyed.keyOf(ctx, routeOf(rotateSecret))
    const answer = answerWithSecret(ctx, 200)
    await keyed.once(ctx, key?.asks({}, params.id), async (claim) => {
      const webhook = await webhooks.rotate(callerOf(ctx), params.id, async (tx, rotated) => {
        if (claim) await keys.settle(tx, claim, answer(rotated))
      })
      answer(webhook)
    })
  })

  handle(router, testWebhook, async (ctx, { params }) => {
    const key = keyed.keyOf(ctx, routeOf(testWebhook))
    await keyed.once(ctx, key?.asks({}, params.id), async () => {
      const { event, outcome } = await webhooks.test(callerOf(ctx), params.id)
      const { at, status, error, durationMs, answer } = outcome
      const said = { ...(status === undefined ? {} : { status }), ...(error === undefined ? {} : { error }) }
      ctx.body = {
        ...{ event, succeeded: succeeded(outcome), at: new Date(at).toISOString(), ...said, durationMs },
        ...(answer === undefined ? {} : { answer }),
      } satisfies ShownTest
    })
  })

  handle(router, replayDeliveries, async (ctx, { params, body: wanted }) => {
    const key = keyed.keyOf(ctx, routeOf(replayDeliveries))
    await keyed.once(ctx, key?.asks(wanted, params.id), async () => {
      ctx.body = presentReplay(await replays.begin(await webhooks.get(callerOf(ctx), params.id), wanted))
      ctx.status = 202
    })
  })

  handle(router, listReplays, async (ctx, { params }) => {
    const found = await replays.list(await webhooks.get(callerOf(ctx), params.id))
    ctx.body = { data: found.map(presentReplay) }
  })

  handle(router, listDeliveries, async (ctx, { params, query: { limit, cursor, status } }) => {
    const webhook = await webhooks.get(callerOf(ctx), params.id)
    const before = cursor === undefined ? {} : { before: decodeCursor(BeforePlace, cursor)[0] }
    const rows = await deliveries.list(webhook, { status, ...before, limit: limit + 1 })
    ctx.body = page(
      rows,
      limit,
      ({ delivery, attempts }) => presentDelivery(delivery, attempts),
      ({ delivery }) => [delivery.place],
    )
  })

  handle(router, getDelivery, async (ctx, { params }) => {
    const { delivery, attempts } = await deliveries.get(callerOf(ctx), params.id)
    ctx.body = presentDelivery(delivery, attempts)
  })

  handle(router, retryDelivery, async (ctx, { params }) => {
    const key = keyed.keyOf(ctx, routeOf(retryDelivery))
    await keyed.once(ctx, key?.asks({}, params.id), async () => {
      const { delivery, attempts } = await deliveries.retry(callerOf(ctx), params.id)
      ctx.status = 202
      ctx.body = presentDelivery(delivery, attempts)
    })
  })

  return router
}
