/** Counts what happens in the transactions that store it: what is stored and what is counted never differ. */
import type { Tx } from '../db/database.js'
import type { Message } from '../messages/message.js'
import type { MessageChange, MessageCounting } from '../messages/message-repository.js'
import type { DeliveryNews } from '../webhooks/delivery-recorder.js'
import { dayOf, UsageSum } from './usage.js'
import type { UsageRepository } from './usage-repository.js'

const metricOf = {
  succeeded: 'deliveries.succeeded',
  failed: 'attempts.failed',
  exhausted: 'deliveries.exhausted',
} as const

export class UsageCounting implements MessageCounting {
  constructor(private readonly repository: Pick<UsageRepository, 'add'>) {}

  async count(tx: Tx, added: readonly Message[], changes: readonly MessageChange[]): Promise<void> {
    const sum = new UsageSum()
    for (const message of added) sum.addMessage(message)
    for (const { before, after } of changes) sum.addChange(before, after)
    await this.repository.add(tx, sum.counts())
  }

  async countDeliveries(tx: Tx, news: readonly DeliveryNews[]): Promise<void> {
    const sum = new UsageSum()
    for (const { tenantId, sessionId, what, at, count } of news) {
      sum.add({ tenantId, sessionId, day: dayOf(at), metric: metricOf[what], amount: count })
    }
    await this.repository.add(tx, sum.counts())
  }
}
