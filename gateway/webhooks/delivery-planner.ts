/** Makes the deliveries of events, in the transaction that stores them: neither is there without the other. */
import type { Clock } from '../../runtime/clock.js'
import { newId } from '../../runtime/ids.js'
import type { Database, Tx } from '../db/database.js'
import type { StoredEvent } from '../events/event.js'
import type { Delivery } from './delivery.js'
import type { DeliveryRepository } from './delivery-repository.js'
import type { Schedule } from './schedule.js'
import { wants, type Webhook, type WebhookId } from './webhook.js'
import type { WebhookRepository } from './webhook-repository.js'

export interface DeliveryPlannerOptions {
  db: Database
  webhooks: WebhookRepository
  deliveries: DeliveryRepository
  schedule: Schedule
  /** These have something to get, once it is committed. */
  onPlanned: (webhookIds: ReadonlySet<WebhookId>) => void
  clock: Clock
}

export class DeliveryPlanner {
  constructor(private readonly options: DeliveryPlannerOptions) {}

  async plan(tx: Tx, events: readonly StoredEvent[]): Promise<void> {
    const { db, webhooks, deliveries, onPlanned } = this.options
    const tenants = [...new Set(events.map(({ tenantId }) => tenantId))]
    const interested = await webhooks.interested(tx, tenants)
    if (interested.length === 0) return
    const owed = events.flatMap((event) =>
      interested
        .filter((webhook) => webhook.tenantId === event.tenantId && wants(webhook, event))
        .map((webhook) => this.delivery(webhook, event)),
    )
    if (owed.length === 0) return
    await deliveries.add(tx, owed)
    const ids = new Set(owed.map(({ webhookId }) => webhookId))
    db.afterCommit(tx, () => onPlanned(ids))
  }

  delivery(webhook: Pick<Webhook, 'id' | 'tenantId'>, { id, type, sessionId, place }: StoredEvent): Delivery {
    const now = this.options.clock()
    const [first = 0] = this.options.schedule
    return {
      id: newId('dlv'),
      tenantId: webhook.tenantId,
      webhookId: webhook.id,
      eventId: id,
      eventType: type,
      sessionId: sessionId ?? null,
      place,
      status: 'pending',
      attempts: 0,
      dueAt: first > 0 ? now + first : 0,
      createdAt: new Date(now),
      endedAt: null,
    }
  }
}
