/** Deliveries as the API sees them, and a second chance for one of them. */
import { AppError } from '../../runtime/app-error.js'
import { isId } from '../../runtime/ids.js'
import type { Database } from '../db/database.js'
import type { Caller } from '../messages/messages.js'
import type { Attempt, Delivery, DeliveryStatus } from './delivery.js'
import type { DeliveryRepository } from './delivery-repository.js'
import type { Webhook } from './webhook.js'
import { checkEnabled, type Webhooks } from './webhooks.js'

export interface DeliveriesOptions {
  db: Database
  webhooks: Webhooks
  deliveries: DeliveryRepository
  onRevived: (webhook: Webhook) => void
}

const SOME = 25
/** Characters of an answer that a list shows. */
const LISTED_ANSWER = 500
/** Attempts of one delivery that are shown: one that is sent again and again has any number. */
const MOST_LISTED = 20
const MOST_SHOWN = 100

export class Deliveries {
  constructor(private readonly options: DeliveriesOptions) {}

  /** Throws `not_found`. */
  async get(caller: Caller, id: string): Promise<{ delivery: Delivery; attempts: Attempt[]; webhook: Webhook }> {
    const { deliveries, webhooks } = this.options
    const delivery = isId('dlv', id) ? await deliveries.find(caller.tenantId, id) : null
    if (!delivery) throw notFound()
    const webhook = await webhooks.get(caller, delivery.webhookId).catch(() => Promise.reject(notFound()))
    return { delivery, webhook, attempts: await deliveries.attemptsOf([delivery.id], MOST_SHOWN) }
  }

  /** Newest events first. */
  async list(webhook: Webhook, page: { status?: DeliveryStatus | undefined; before?: number; limit: number }) {
    const { deliveries } = this.options
    const rows = await deliveries.list(webhook.id, page)
    const byDelivery = new Map<string, Attempt[]>(rows.map(({ id }) => [id, []]))
    // A few at a time, and the beginning of each answer: a page of them whole could be a hundred megabytes.
    for (let at = 0; at < rows.length; at += SOME) {
      const some = await deliveries.attemptsOf(
        rows.slice(at, at + SOME).map(({ id }) => id),
        MOST_LISTED,
      )
      for (const { answer, ...attempt } of some) {
        byDelivery.get(attempt.deliveryId)?.push({ ...attempt, answer: answer && answer.slice(0, LISTED_ANSWER) })
      }
    }
    return rows.map((delivery) => ({ delivery, attempts: byDelivery.get(delivery.id) ?? [] }))
  }

  /** One more attempt, at once, whatever became of it. Throws `not_found` and `not_ready` (`webhook_disabled`). */
  async retry(caller: Caller, id: string): Promise<{ delivery: Delivery; attempts: Attempt[] }> {
    const { db, deliveries, onRevived } = this.options
    const { delivery, webhook } = await this.get(caller, id)
    checkEnabled(webhook)
    await db.write((tx) => deliveries.revive(tx, [delivery.id]))
    onRevived(webhook)
    return this.get(caller, id)
  }
}

function notFound(): AppError {
  return new AppError('not_found', 'There is no such delivery.', { reason: 'delivery_not_found' })
}
