/** Deliveries as the API sees them, and their second chances: one, all that failed, or everything since a time. */
import { AppError } from '../../runtime/app-error.js'
import { isId } from '../../runtime/ids.js'
import type { Database } from '../db/database.js'
import type { EventRepository } from '../events/event-repository.js'
import type { Caller } from '../messages/messages.js'
import type { Attempt, Delivery, DeliveryStatus } from './delivery.js'
import type { DeliveryPlanner } from './delivery-planner.js'
import type { DeliveryRepository } from './delivery-repository.js'
import type { ReplayRequest } from './webhook-requests.js'
import { wants, type Webhook } from './webhook.js'
import type { Webhooks } from './webhooks.js'

export interface ReplaysOptions {
  db: Database
  webhooks: Webhooks
  deliveries: DeliveryRepository
  events: Pick<EventRepository, 'list' | 'placeBefore'>
  planner: Pick<DeliveryPlanner, 'delivery'>
  onRevived: (webhook: Webhook) => void
}

const AT_ONCE = 500
const SOME = 25
/** Characters of an answer that a list shows. */
const LISTED_ANSWER = 500
/** Attempts of one delivery that are shown: one that is sent again and again has any number. */
export const MOST_LISTED = 20
export const MOST_SHOWN = 100
/** Of one request; it can be asked again. */
const MOST_EVENTS = 100_000

export class Replays {
  constructor(private readonly options: ReplaysOptions) {}

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

  /** Answers how many deliveries it made due, and whether that is all. Throws `not_ready` (`webhook_disabled`). */
  async replay(webhook: Webhook, request: ReplayRequest): Promise<{ deliveries: number; complete: boolean }> {
    checkEnabled(webhook)
    try {
      if ('failed' in request) return await this.replayFailed(webhook)
      return await this.replaySince(webhook, request)
    } finally {
      this.options.onRevived(webhook)
    }
  }

  private async replayFailed(webhook: Webhook) {
    const { db, deliveries } = this.options
    let count = 0
    for (; count < MOST_EVENTS;) {
      const failed = await deliveries.list(webhook.id, { status: 'exhausted', limit: AT_ONCE })
      const ids = failed.map(({ id }) => id)
      count += await db.write((tx) => deliveries.revive(tx, ids))
      if (failed.length < AT_ONCE) return { deliveries: count, complete: true }
    }
    return { deliveries: count, complete: false }
  }

  private async replaySince(webhook: Webhook, { since, succeeded }: Extract<ReplayRequest, { since: number }>) {
    const { db, deliveries, events, planner } = this.options
    const again: DeliveryStatus[] = ['exhausted', 'cancelled', ...(succeeded ? (['succeeded'] as const) : [])]
    // What waits for a later attempt goes now: whoever asks knows that the receiver is back.
    const isWanted = ({ status, dueAt }: Delivery) => again.includes(status) || (status === 'pending' && dueAt !== 0)
    const { tenantId, sessions } = webhook
    const sessionIds = sessions.includes('*') ? undefined : (sessions as `ses_${string}`[])
    let after = await events.placeBefore(new Date(since))
    let count = 0
    for (let seen = 0; seen < MOST_EVENTS; seen += AT_ONCE) {
      const some = await events.list(after, AT_ONCE, { tenantId, sessionIds })
      const wanted = some.filter((event) => wants(webhook, event))
      count += await db.write(async (tx) => {
        const places = wanted.map(({ place }) => place)
        const there = new Map((await deliveries.ofPlaces(tx, webhook.id, places)).map((row) => [row.place, row]))
        const missing = wanted.filter(({ place }) => !there.has(place))
        await deliveries.add(
          tx,
          missing.map((event) => planner.delivery(webhook, event)),
        )
        const revived = [...there.values()].filter(isWanted)
        await deliveries.revive(
          tx,
          revived.map(({ id }) => id),
        )
        return missing.length + revived.length
      })
      after = some.at(-1)?.place ?? after
      if (some.length < AT_ONCE) return { deliveries: count, complete: true }
    }
    return { deliveries: count, complete: false }
  }
}

function checkEnabled({ status }: Webhook): void {
  if (status !== 'disabled') return
  throw new AppError('not_ready', 'This webhook is disabled. Enable it first.', { reason: 'webhook_disabled' })
}

function notFound(): AppError {
  return new AppError('not_found', 'There is no such delivery.', { reason: 'delivery_not_found' })
}
