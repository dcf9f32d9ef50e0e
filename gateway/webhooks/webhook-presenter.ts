/** The public shapes of webhooks and deliveries. Fields are added here on purpose, never by accident. */
import type { Attempt, Delivery } from './delivery.js'
import type { Webhook } from './webhook.js'

export function presentWebhook(webhook: Webhook) {
  const { id, url, events, sessions, headers, description, signature, ordered, concurrency } = webhook
  const { status, reason, health, createdAt } = webhook
  return {
    ...{ id, url, events, sessions, headers },
    ...(description === null ? {} : { description }),
    ...{ signature, ordered, concurrency, status },
    ...(reason === null ? {} : { reason }),
    ...(health.failingSince === undefined ? {} : { failingSince: new Date(health.failingSince).toISOString() }),
    createdAt: createdAt.toISOString(),
  }
}

/** Where the secret is told: when it was made, and never again. */
export function presentWithSecret(webhook: Webhook) {
  return { ...presentWebhook(webhook), secret: webhook.secret }
}

export function presentDelivery(delivery: Delivery, attempts: readonly Attempt[]) {
  const { id, webhookId, eventId, eventType, status, dueAt, createdAt } = delivery
  return {
    ...{ id, webhook: webhookId, event: eventId, type: eventType, status },
    attempts: attempts.map(presentAttempt),
    // At once has no time.
    ...(dueAt === null || dueAt === 0 ? {} : { nextAttemptAt: new Date(dueAt).toISOString() }),
    createdAt: createdAt.toISOString(),
  }
}

function presentAttempt({ at, status, durationMs, error, answer }: Attempt) {
  return {
    at: at.toISOString(),
    ...(status === null ? {} : { status }),
    durationMs,
    ...(error === null ? {} : { error }),
    ...(answer === null ? {} : { answer }),
  }
}
