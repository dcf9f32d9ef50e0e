import { z } from 'zod'
import { operation } from '../http/operation.js'
import { examples, inPath, pageOf } from '../http/shapes.js'
import { exampleDelivery, shownDelivery } from './webhook-presenter.js'
import { ListDeliveries, Nothing, Replay } from './webhook-requests.js'

const tag = 'Webhooks'
const ofWebhook = z.object({ id: inPath('the id of a webhook', examples.webhook) })
const params = z.object({ id: inPath('the id of a delivery', examples.delivery) })

export const replayDeliveries = operation({
  id: 'replayDeliveries',
  method: 'post',
  path: '/api/v1/webhooks/{id}/replay',
  tag,
  scope: 'webhooks:write',
  summary: 'Send events again',
  description:
    'With `failed`, all exhausted deliveries are due once more. With `since`, all events stored since then are sent, also those that came while the webhook was paused or before it was made, without those that were delivered, unless `succeeded` is true. Ids stay the same. Looks at 100,000 events at most: ask again while `complete` is false.',
  idempotent: true,
  params: ofWebhook,
  body: { schema: Replay, examples: { failed: { failed: true }, since: { since: '2026-11-22T18:00:00Z' } } },
  codes: ['webhook_not_found', 'webhook_disabled'],
  answers: {
    202: {
      description: 'They are due now.',
      schema: z.object({
        deliveries: z.number().int().describe('how many are due now'),
        complete: z.boolean().describe('false while there is more'),
      }),
      examples: { some: { deliveries: 12, complete: true } },
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

export const deliveryOperations = [replayDeliveries, listDeliveries, getDelivery, retryDelivery]
