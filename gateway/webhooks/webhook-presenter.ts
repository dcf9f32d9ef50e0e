/** The public shapes of webhooks and deliveries. Fields are added here on purpose, never by accident. */
import { z } from 'zod'
import { examples, idOf, time } from '../http/shapes.js'
import { type Attempt, type Delivery, deliveryStatuses } from './delivery.js'
import { type Replay, replayStatuses } from './replay.js'
import { signatures, type Webhook, type WebhookStatus } from './webhook.js'

const fields = {
  id: idOf('whk'),
  url: z.string(),
  events: z.array(z.string()).describe('types, groups such as `message.*`, or `*`'),
  sessions: z.array(z.string()).describe('ids, or `*`: then also events that belong to no session'),
  headers: z.record(z.string(), z.string()).describe('sent along with each request'),
  description: z.string().optional(),
  signature: z.enum(signatures).describe('`hub` adds `X-Hub-Signature-256`'),
  ordered: z.boolean().describe('the events of each session one after the other'),
  concurrency: z.number().int().describe('requests at once, over all gateways'),
  status: z.enum(['enabled', 'failing', 'paused', 'disabled']),
  reason: z.string().describe('why it is disabled: `gone`, `failing`, `secret_lost`').optional(),
  failingSince: time.optional(),
  createdAt: time,
}
export const shownWebhook = z.object(fields).meta({ id: 'Webhook', description: 'A URL that events are posted to.' })
export type ShownWebhook = z.output<typeof shownWebhook>
export const webhookWithSecret = z
  .object({ ...fields, secret: z.string().describe('what requests are signed with') })
  .meta({ id: 'WebhookWithSecret' })

export const exampleWebhook: ShownWebhook = {
  id: examples.webhook,
  url: 'https://shop.example.com/whatsapp',
  events: ['message.*', 'session.disconnected'],
  sessions: [examples.session],
  headers: {},
  description: 'orders',
  signature: 'standard',
  ordered: false,
  concurrency: 4,
  status: 'enabled',
  createdAt: examples.time,
}

const shownAttempt = z
  .object({
    at: time,
    status: z.number().int().describe('what was answered').optional(),
    durationMs: z.number().int(),
    error: z.string().describe('why nothing was answered: `timeout`, `connection_refused`, …').optional(),
    answer: z.string().describe('the beginning of the answer').optional(),
  })
  .meta({ id: 'Attempt' })

export const shownDelivery = z
  .object({
    id: idOf('dlv'),
    webhook: idOf('whk'),
    event: idOf('evt'),
    type: z.string().describe('of the event'),
    status: z.enum(deliveryStatuses),
    attempts: z.array(shownAttempt),
    nextAttemptAt: time.optional(),
    createdAt: time,
  })
  .meta({ id: 'Delivery', description: 'One event owed to one webhook.' })
export type ShownDelivery = z.output<typeof shownDelivery>

export const exampleDelivery: ShownDelivery = {
  id: examples.delivery,
  webhook: examples.webhook,
  event: examples.event,
  type: 'message.received',
  status: 'succeeded',
  attempts: [{ at: examples.time, status: 200, durationMs: 84, answer: 'ok' }],
  createdAt: examples.time,
}

export const shownReplay = z
  .object({
    id: idOf('rpl'),
    webhook: idOf('whk'),
    since: time.describe('events stored then or later; absent: deliveries that were exhausted').optional(),
    succeeded: z.boolean().describe('also what was delivered'),
    status: z.enum(replayStatuses).describe('`cancelled`: the webhook was disabled meanwhile'),
    deliveries: z.number().int().describe('how many were made due so far'),
    complete: z.boolean().describe('false while it goes on'),
    createdAt: time,
    endedAt: time.optional(),
  })
  .meta({ id: 'Replay', description: 'Events that are sent again.' })
export type ShownReplay = z.output<typeof shownReplay>

export const exampleReplay: ShownReplay = {
  ...{ id: 'rpl_01kaxq3c2d3e4f5g6h7j8k9m0n', webhook: examples.webhook, since: examples.time, succeeded: false },
  ...{ status: 'done', deliveries: 12, complete: true, createdAt: examples.time, endedAt: examples.time },
}

export function presentReplay(replay: Replay): ShownReplay {
  const { id, webhookId, since, succeeded, status, deliveries, createdAt, endedAt } = replay
  return {
    ...{ id, webhook: webhookId },
    ...(since === null ? {} : { since: since.toISOString() }),
    ...{ succeeded, status, deliveries, complete: status !== 'running', createdAt: createdAt.toISOString() },
    ...(endedAt === null ? {} : { endedAt: new Date(endedAt).toISOString() }),
  }
}

export function presentWebhook(webhook: Webhook): ShownWebhook {
  const { id, url, events, sessions, headers, description, signature, ordered, concurrency } = webhook
  const { status, reason, health, createdAt } = webhook
  return {
    ...{ id, url, events, sessions, headers },
    ...(description === null ? {} : { description }),
    // Deleted ones are found by nobody.
    ...{ signature, ordered, concurrency, status: status as Exclude<WebhookStatus, 'deleted'> },
    ...(reason === null ? {} : { reason }),
    ...(health.failingSince === undefined ? {} : { failingSince: new Date(health.failingSince).toISOString() }),
    createdAt: createdAt.toISOString(),
  }
}

/** Where the secret is told: when it was made, and never again. */
export function presentWithSecret(webhook: Webhook) {
  return { ...presentWebhook(webhook), secret: webhook.secret }
}

export function presentDelivery(delivery: Delivery, attempts: readonly Attempt[]): ShownDelivery {
  const { id, webhookId, eventId, eventType, status, dueAt, createdAt } = delivery
  return {
    ...{ id, webhook: webhookId, event: eventId, type: eventType, status },
    attempts: attempts.map(presentAttempt),
    // At once has no time.
    ...(dueAt === null || dueAt === 0 ? {} : { nextAttemptAt: new Date(dueAt).toISOString() }),
    createdAt: createdAt.toISOString(),
  }
}

function presentAttempt({ at, status, durationMs, error, answer }: Attempt): z.output<typeof shownAttempt> {
  return {
    at: at.toISOString(),
    ...(status === null ? {} : { status }),
    durationMs,
    ...(error === null ? {} : { error }),
    ...(answer === null ? {} : { answer }),
  }
}
