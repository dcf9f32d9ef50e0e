import Router from '@koa/router'
import { allow } from '../http/authenticate.js'
import type { ApiContext, ApiRouter, ApiState } from '../http/context.js'
import { readJson } from '../http/json-body.js'
import { decodeCursor, page } from '../http/pagination.js'
import { parse, parseOptional } from '../http/parse.js'
import type { IdempotencyKeys } from '../idempotency/idempotency-keys.js'
import type { KeyedRequests } from '../idempotency/keyed-requests.js'
import { callerOf } from '../messages/message-routes.js'
import { succeeded } from './delivery.js'
import type { Replays } from './replays.js'
import { presentDelivery, presentWebhook, presentWithSecret } from './webhook-presenter.js'
import {
  AfterId,
  BeforePlace,
  ChangeWebhook,
  CreateWebhook,
  ListDeliveries,
  ListWebhooks,
  Nothing,
  Replay,
} from './webhook-requests.js'
import type { Webhook } from './webhook.js'
import type { Webhooks } from './webhooks.js'

export interface WebhookRoutesOptions {
  webhooks: Webhooks
  replays: Replays
  keyed: KeyedRequests
  keys: IdempotencyKeys
}

const read = allow('webhooks:read')
const write = allow('webhooks:write')
const idOf = (ctx: { params: Record<string, string | undefined> }) => ctx.params['id'] ?? ''

export function webhookRoutes({ webhooks, replays, keyed, keys }: WebhookRoutesOptions): ApiRouter {
  const router = new Router<ApiState>({ prefix: '/api/v1' })

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

  router.post('/webhooks', write, async (ctx) => {
    const key = keyed.keyOf(ctx, '/webhooks')
    const wanted = parse(CreateWebhook, await readJson(ctx))
    const answer = answerWithSecret(ctx, 201)
    await keyed.once(ctx, key?.asks(wanted), async (claim) => {
      const webhook = await webhooks.create(callerOf(ctx), wanted, async (tx, made) => {
        if (claim) await keys.settle(tx, claim, answer(made))
      })
      answer(webhook)
    })
  })

  router.get('/webhooks', read, async (ctx) => {
    const { limit, cursor } = parse(ListWebhooks, ctx.query)
    const [after] = cursor === undefined ? [undefined] : decodeCursor(AfterId, cursor)
    const rows = await webhooks.list(callerOf(ctx), limit + 1, after)
    ctx.body = page(rows, limit, presentWebhook, ({ id }) => [id])
  })

  router.get('/webhooks/:id', read, async (ctx) => {
    ctx.body = presentWebhook(await webhooks.get(callerOf(ctx), idOf(ctx)))
  })

  router.patch('/webhooks/:id', write, async (ctx) => {
    const changes = parse(ChangeWebhook, await readJson(ctx))
    ctx.body = presentWebhook(await webhooks.change(callerOf(ctx), idOf(ctx), changes))
  })

  router.delete('/webhooks/:id', write, async (ctx) => {
    await webhooks.delete(callerOf(ctx), idOf(ctx))
    ctx.status = 204
  })

  router.post('/webhooks/:id/rotate-secret', write, async (ctx) => {
    const key = keyed.keyOf(ctx, '/webhooks/{id}/rotate-secret')
    parseOptional(Nothing, await readJson(ctx))
    const answer = answerWithSecret(ctx, 200)
    await keyed.once(ctx, key?.asks({}, idOf(ctx)), async (claim) => {
      const webhook = await webhooks.rotate(callerOf(ctx), idOf(ctx), async (tx, rotated) => {
        if (claim) await keys.settle(tx, claim, answer(rotated))
      })
      answer(webhook)
    })
  })

  router.post('/webhooks/:id/test', write, async (ctx) => {
    const key = keyed.keyOf(ctx, '/webhooks/{id}/test')
    parseOptional(Nothing, await readJson(ctx))
    await keyed.once(ctx, key?.asks({}, idOf(ctx)), async () => {
      const { event, outcome } = await webhooks.test(callerOf(ctx), idOf(ctx))
      const { at, status, error, durationMs, answer } = outcome
      const said = { ...(status === undefined ? {} : { status }), ...(error === undefined ? {} : { error }) }
      ctx.body = {
        ...{ event, succeeded: succeeded(outcome), at: new Date(at).toISOString(), ...said, durationMs },
        ...(answer === undefined ? {} : { answer }),
      }
    })
  })

  router.post('/webhooks/:id/replay', write, async (ctx) => {
    const key = keyed.keyOf(ctx, '/webhooks/{id}/replay')
    const wanted = parse(Replay, await readJson(ctx))
    await keyed.once(ctx, key?.asks(wanted, idOf(ctx)), async () => {
      ctx.body = await replays.replay(await webhooks.get(callerOf(ctx), idOf(ctx)), wanted)
      ctx.status = 202
    })
  })

  router.get('/webhooks/:id/deliveries', read, async (ctx) => {
    const { limit, cursor, status } = parse(ListDeliveries, ctx.query)
    const webhook = await webhooks.get(callerOf(ctx), idOf(ctx))
    const before = cursor === undefined ? {} : { before: decodeCursor(BeforePlace, cursor)[0] }
    const rows = await replays.list(webhook, { status, ...before, limit: limit + 1 })
    ctx.body = page(
      rows,
      limit,
      ({ delivery, attempts }) => presentDelivery(delivery, attempts),
      ({ delivery }) => [delivery.place],
    )
  })

  router.get('/deliveries/:id', read, async (ctx) => {
    const { delivery, attempts } = await replays.get(callerOf(ctx), idOf(ctx))
    ctx.body = presentDelivery(delivery, attempts)
  })

  router.post('/deliveries/:id/retry', write, async (ctx) => {
    const key = keyed.keyOf(ctx, '/deliveries/{id}/retry')
    parseOptional(Nothing, await readJson(ctx))
    await keyed.once(ctx, key?.asks({}, idOf(ctx)), async () => {
      const { delivery, attempts } = await replays.retry(callerOf(ctx), idOf(ctx))
      ctx.status = 202
      ctx.body = presentDelivery(delivery, attempts)
    })
  })

  return router
}
