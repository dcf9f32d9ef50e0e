/** Writes down how attempts went, those of many webhooks together, and what that means for deliveries and webhooks. */
import type { SessionId, TenantId } from '../../proto/contract.js'
import { type Clock, sleep } from '../../runtime/clock.js'
import { newId } from '../../runtime/ids.js'
import { Coalescer } from '../db/coalescer.js'
import type { Database, Tx } from '../db/database.js'
import type { NewEvent } from '../events/event.js'
import { type Attempt, type Outcome, said } from './delivery.js'
import type { DeliveryRepository } from './delivery-repository.js'
import type { Turn, Verdict } from './verdict.js'
import type { Webhook } from './webhook.js'
import type { WebhookRepository } from './webhook-repository.js'

export interface DeliveryRecorderOptions {
  db: Database
  webhooks: WebhookRepository
  deliveries: DeliveryRepository
  addEvents: (tx: Tx, events: readonly NewEvent[], now: number) => Promise<unknown>
  /** In the transaction itself: how many went well, failed and were given up. */
  count?: ((tx: Tx, news: readonly DeliveryNews[]) => Promise<void>) | undefined
  /** A webhook was disabled that has more to get than is given up with it at once. */
  onMoreToGiveUp: () => void
  clock: Clock
}

/** What became of deliveries of one tenant, and of one session unless they are about none. */
export interface DeliveryNews {
  tenantId: TenantId
  sessionId: SessionId | null
  /** `failed` is an attempt, after which there may be another; `exhausted` is the end. */
  what: 'succeeded' | 'failed' | 'exhausted'
  /** ms since the epoch. */
  at: number
  count: number
}

const SOON_MS = 2
/** Of a webhook's backlog, in one transaction: others write, too. */
const GIVEN_UP_AT_ONCE = 500
const REST_MS = 20
/** Longer rests make larger commits: worth it where no delivery waits for the one before. */
const UNHURRIED_MS = 10

export class DeliveryRecorder {
  private readonly soon: Coalescer<Verdict, true>
  private readonly unhurried: Coalescer<Verdict, true>

  constructor(private readonly options: DeliveryRecorderOptions) {
    this.soon = this.coalescer(SOON_MS)
    this.unhurried = this.coalescer(UNHURRIED_MS)
  }

  /** `hurry`: something waits for it to be written. */
  async record(verdict: Verdict, { hurry }: { hurry: boolean }): Promise<void> {
    await (hurry ? this.soon : this.unhurried).add(verdict)
  }

  async idle(): Promise<void> {
    await Promise.all([this.soon.idle(), this.unhurried.idle()])
  }

  /** What disabled webhooks had to get is given up in portions, whichever gateway disabled them. */
  async giveUp(signal: AbortSignal): Promise<void> {
    const { db, webhooks, count, clock } = this.options
    for (const webhook of await webhooks.disabledAndOwed()) {
      for (let full = true; full && !signal.aborted;) {
        full = await db.write(async (tx) => {
          // Somebody may just have enabled it.
          if ((await webhooks.lockedStatus(tx, webhook.id)) !== 'disabled') return false
          const given = await this.exhaust(tx, webhook, clock())
          await count?.(tx, given)
          return given.length === GIVEN_UP_AT_ONCE
        })
        await sleep(REST_MS, signal)
      }
    }
  }

  private async exhaust(tx: Tx, { id, tenantId }: Pick<Webhook, 'id' | 'tenantId'>, at: number) {
    const given = await this.options.deliveries.exhaust(tx, id, at, GIVEN_UP_AT_ONCE)
    return given.map(({ sessionId }): DeliveryNews => ({ tenantId, sessionId, what: 'exhausted', at, count: 1 }))
  }

  private coalescer(lingerMs: number): Coalescer<Verdict, true> {
    return new Coalescer({
      db: this.options.db,
      maxItems: 500,
      lingerMs: { least: lingerMs, most: lingerMs },
      store: async (tx, verdicts) => {
        await this.store(tx, verdicts)
        return verdicts.map(() => true as const)
      },
    })
  }

  private async store(tx: Tx, verdicts: readonly Verdict[]): Promise<void> {
    const { db, deliveries, webhooks, addEvents, count, onMoreToGiveUp } = this.options
    const now = Math.max(...verdicts.map(({ outcome }) => outcome.at + outcome.durationMs))
    await deliveries.addAttempts(tx, verdicts.map(attemptOf))
    const good = verdicts.filter(({ result }) => result === 'succeeded')
    await deliveries.succeed(
      tx,
      good.map(({ delivery }) => delivery.id),
      now,
    )
    const bad = verdicts.filter(({ result, isProbe }) => result !== 'succeeded' && !isProbe)
    await deliveries.fail(
      tx,
      bad.map(({ delivery: { id }, dueAt = null }) => ({ id, dueAt })),
      now,
    )
    const news: NewEvent[] = []
    const counted = verdicts.flatMap(countsOf)
    for (const { turn, outcome } of verdicts) {
      if (!turn) continue
      const { webhook, health, status, reason, recovered } = turn
      // Paused or disabled meanwhile: nothing is told of it.
      if (!(await webhooks.tell(tx, { id: webhook.id, health, status, reason }))) continue
      if (recovered) await deliveries.makeDue(tx, webhook.id)
      if (status === 'disabled') {
        const given = await this.exhaust(tx, webhook, now)
        counted.push(...given)
        if (given.length === GIVEN_UP_AT_ONCE) db.afterCommit(tx, onMoreToGiveUp)
      }
      const told = eventOf(turn, outcome, now)
      if (told) news.push(told)
    }
    await count?.(tx, counted)
    if (news.length > 0) await addEvents(tx, news, now)
  }
}

function attemptOf({ delivery, outcome }: Verdict): Attempt {
  const { at, status = null, error = null, durationMs, answer = null } = outcome
  return { id: newId('att'), deliveryId: delivery.id, at: new Date(at), status, error, durationMs, answer }
}

function countsOf({ delivery: { tenantId, sessionId }, outcome: { at }, result }: Verdict): DeliveryNews[] {
  const same = { tenantId, sessionId, at, count: 1 }
  if (result === 'succeeded') return [{ ...same, what: 'succeeded' }]
  const failed = { ...same, what: 'failed' } as const
  return result === 'exhausted' ? [failed, { ...same, what: 'exhausted' }] : [failed]
}

/** What the tenant is told, once per turn. */
function eventOf({ webhook, health, status, reason }: Turn, outcome: Outcome, at: number): NewEvent | undefined {
  if (status === webhook.status || (status !== 'failing' && status !== 'disabled')) return undefined
  const { id, tenantId, description } = webhook
  const about = { id, ...(description ? { description } : {}), host: new URL(webhook.url).host }
  const since = health.failingSince === undefined ? {} : { since: new Date(health.failingSince).toISOString() }
  const same = { id: newId('evt'), tenantId, at }
  return status === 'failing'
    ? {
        ...same,
        type: 'webhook.failing',
        data: { webhook: about, since: new Date(health.failingSince ?? at).toISOString(), error: said(outcome) },
      }
    : { ...same, type: 'webhook.disabled', data: { webhook: about, reason: reason ?? 'failing', ...since } }
}
