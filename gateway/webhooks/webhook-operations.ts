import { z } from 'zod'
import { type Answer, operation } from '../http/operation.js'
import { examples, inPath, pageOf, time } from '../http/shapes.js'
import { exampleWebhook, shownWebhook, webhookWithSecret } from './webhook-presenter.js'
import { ChangeWebhook, CreateWebhook, ListWebhooks, Nothing } from './webhook-requests.js'

const tag = 'Webhooks'
const params = z.object({ id: inPath('the id of a webhook', examples.webhook) })
const exampleWithSecret = { ...exampleWebhook, secret: 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw' }
const answersWebhook = (description: string) =>
  ({ 200: { description, schema: shownWebhook, examples: { webhook: exampleWebhook } } }) satisfies Record<
    number,
    Answer
  >
/** What its fields can be refused with. */
const fieldCodes = [
  'session_not_allowed',
  'session_not_found',
  'unprocessable:invalid_url',
  'unprocessable:blocked_address',
] as const

export const createWebhook = operation({
  id: 'createWebhook',
  method: 'post',
  path: '/api/v1/webhooks',
  tag,
  scope: 'webhooks:write',
  summary: 'Make a webhook',
  description:
    'Only `url` is required. It begins with `https://`; private and special addresses are refused. A key that is limited to some sessions makes webhooks for these sessions only.',
  idempotent: true,
  body: {
    schema: CreateWebhook,
    examples: {
      all: { url: 'https://shop.example.com/whatsapp' },
      some: {
        url: 'https://shop.example.com/whatsapp',
        events: ['message.*', 'session.disconnected'],
        sessions: ['shop'],
        description: 'orders',
      },
    },
  },
  codes: ['webhook_limit_reached', ...fieldCodes],
  answers: {
    201: {
      description: 'It is made. Its `secret` is told only now.',
      schema: webhookWithSecret,
      examples: { webhook: exampleWithSecret },
      headers: z.object({ Location: z.string().describe('where it is') }),
    },
  },
})

export const listWebhooks = operation({
  id: 'listWebhooks',
  method: 'get',
  path: '/api/v1/webhooks',
  tag,
  scope: 'webhooks:read',
  summary: 'List webhooks, oldest first',
  query: ListWebhooks,
  answers: {
    200: {
      description: 'A page of webhooks.',
      schema: pageOf(shownWebhook).meta({ id: 'WebhookPage' }),
      examples: { webhooks: { data: [exampleWebhook] } },
    },
  },
})

export const getWebhook = operation({
  id: 'getWebhook',
  method: 'get',
  path: '/api/v1/webhooks/{id}',
  tag,
  scope: 'webhooks:read',
  summary: 'Get a webhook',
  params,
  codes: ['webhook_not_found'],
  answers: answersWebhook('The webhook.'),
})

export const changeWebhook = operation({
  id: 'changeWebhook',
  method: 'patch',
  path: '/api/v1/webhooks/{id}',
  tag,
  scope: 'webhooks:write',
  summary: 'Change a webhook',
  description:
    '`status` takes `paused` and `enabled`. A paused webhook gets nothing new, and keeps what it had; enabling it begins anew.',
  params,
  body: { schema: ChangeWebhook, examples: { pause: { status: 'paused' } } },
  codes: ['webhook_not_found', 'secret_lost', ...fieldCodes],
  answers: answersWebhook('The webhook as it is now.'),
})

export const deleteWebhook = operation({
  id: 'deleteWebhook',
  method: 'delete',
  path: '/api/v1/webhooks/{id}',
  tag,
  scope: 'webhooks:write',
  summary: 'Delete a webhook',
  params,
  codes: ['webhook_not_found'],
  answers: { 204: { description: 'Nothing is sent any more, and its deliveries are gone.' } },
})

const asked = { schema: Nothing, optional: true, examples: {} } as const

export const rotateSecret = operation({
  id: 'rotateWebhookSecret',
  method: 'post',
  path: '/api/v1/webhooks/{id}/rotate-secret',
  tag,
  scope: 'webhooks:write',
  summary: 'Rotate the secret',
  description: 'The old one signs beside the new one for 24 hours.',
  idempotent: true,
  params,
  body: asked,
  codes: ['webhook_not_found'],
  answers: {
    200: {
      description: 'The webhook with its new secret.',
      schema: webhookWithSecret,
      examples: { webhook: exampleWithSecret },
    },
  },
})

const shownTest = z
  .object({
    event: z.string().describe('the id of the event that was posted'),
    succeeded: z.boolean(),
    at: time,
    status: z.number().int().describe('what was answered').optional(),
    error: z.string().describe('why nothing was answered: `timeout`, `connection_refused`, …').optional(),
    durationMs: z.number().int(),
    answer: z.string().describe('the beginning of the answer').optional(),
  })
  .meta({ id: 'WebhookTest' })
export type ShownTest = z.output<typeof shownTest>

export const testWebhook = operation({
  id: 'testWebhook',
  method: 'post',
  path: '/api/v1/webhooks/{id}/test',
  tag,
  scope: 'webhooks:write',
  summary: 'Post a test event now',
  description: 'Signed, of type `webhook.test`, whatever the status of the webhook.',
  idempotent: true,
  params,
  body: asked,
  codes: ['webhook_not_found', 'secret_lost'],
  answers: {
    200: {
      description: 'What came of it.',
      schema: shownTest,
      examples: {
        good: { event: examples.event, succeeded: true, at: examples.time, status: 200, durationMs: 84, answer: 'ok' },
      },
    },
  },
})

export const webhookOperations = [
  createWebhook,
  listWebhooks,
  getWebhook,
  changeWebhook,
  deleteWebhook,
  rotateSecret,
  testWebhook,
]
