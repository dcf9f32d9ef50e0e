import { z } from 'zod'
import { operation } from '../http/operation.js'
import { examples, inPath, pageOf } from '../http/shapes.js'
import { exampleDelivery, exampleReplay, shownDelivery, shownReplay } from './webhook-presenter.js'
import { ListDeliveries, Nothing, Replay } from './webhook-requests.js'

const tag = 'Webhooks'
const ofWebhook = z.object({ id: inPath('the id of a webhook', examples.webhook) })
const params = z.object({ id: inPath('the id of a delivery', examples.delivery) })

const { endedAt: _, ...unfinished } = exampleReplay
const exampleRunning = { ...unfinished, status: 'running', complete: false } as const

export const replayDeliveries = operation({
  id: 'replayDeliveries',
  method: 'post',
  path: '/api/v1/webhooks/{id}/replay',
  tag,
  scope: 'webhooks:write',
  summary: 'Send events again',
  description:
    'With `failed`, all exhausted deliveries are due once more. With `since`, all events stored since then are sent, also those that came while the webhook was paused or before it was made, without those that were delivered, unless `succeeded` is true. Ids stay the same. The answer comes once the first 2,000 events were looked at; while `complete` is false it goes on by itself, also after a restart, and `GET /webhooks/{id}/replays` says how far it is. One at a time for each webhook.',
  idempotent: true,
  params: ofWebhook,
  body: { schema: Replay, examples: { failed: { failed: true }, since: { since: '2026-11-22T18:00:00Z' } } },
  codes: ['webhook_not_found', 'webhook_disabled', 'replay_running'],
  answers: {
    202: {
      description: 'They are due now.',
      schema: shownReplay,
      examples: { done: exampleReplay, more: { ...exampleRunning, deliveries: 2_000 } },
    },
  },
})

export const listReplays = operation({
  id: 'listReplays',
  method: 'get',
  path: '/api/v1/webhooks/{id}/replays',
  tag,
  scope: 'webhooks:read',
  summary: 'List the latest replays of a webhook',
  description: 'Newest first, 50 at most; those that are over for as long as succeeded deliveries are kept.',
  params: ofWebhook,
  codes: ['webhook_not_found'],
  answers: {
    200: {
      description: 'The replays.',
      schema: z.object({ data: z.array(shownReplay) }),
      examples: { replays: { data: [{ ...exampleRunning, deliveries: 61_500 }, exampleReplay] } },
    },
  },
})

export const listDeliveries = operation({
  id: 'listDeliveries',
  method: 'get',
  path: '/api/v1/webhooks/{id}/deliveries',
  tag,
  scope: 'webhooks:read',
  summary: 'List deliveries, newest event first',
  description: 'With the newest 20 attempts of each; of each answer the first 500 characters.',
  params: ofWebhook,
  query: ListDeliveries,
  codes: ['webhook_not_found'],
  answers: {
    200: {
      description: 'A page of deliveries.',
      schema: pageOf(shownDelivery).meta({ id: 'DeliveryPage' }),
      examples: { deliveries: { data: [exampleDelivery] } },
    },
  },
})

export const getDelivery = operation({
  id: 'getDelivery',
  method: 'get',
  path: '/api/v1/deliveries/{id}',
  tag,
  scope: 'webhooks:read',
  summary: 'Get a delivery',
  description: 'With its newest 100 attempts; of each answer the first 20,000 bytes.',
  params,
  codes: ['delivery_not_found'],
  answers: {
    200: { description: 'The delivery.', schema: shownDelivery, examples: { delivery: exampleDelivery } },
  },
})

export const retryDelivery = operation({
  id: 'retryDelivery',
  method: 'post',
  path: '/api/v1/deliveries/{id}/retry',
  tag,
  scope: 'webhooks:write',
  summary: 'Send an event once more, now',
  description: 'Whatever became of it.',
  idempotent: true,
  params,
  body: { schema: Nothing, optional: true, examples: {} },
  codes: ['delivery_not_found', 'webhook_disabled'],
  answers: {
    202: {
      description: 'It is due now.',
      schema: shownDelivery,
      examples: { delivery: { ...exampleDelivery, status: 'pending' } },
    },
  },
})

export const deliveryOperations = [replayDeliveries, listReplays, listDeliveries, getDelivery, retryDelivery]
