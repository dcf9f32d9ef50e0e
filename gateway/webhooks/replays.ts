/** Does what tenants want to get again: the beginning at once, the rest bit by bit, and goes on with it after a restart. */
import { AppError } from '../../runtime/app-error.js'
import { type Clock, sleep } from '../../runtime/clock.js'
import { newId } from '../../runtime/ids.js'
import type { Service } from '../../runtime/lifecycle.js'
import type { Logger } from '../../runtime/log.js'
import { Rounds } from '../../runtime/rounds.js'
import type { Database, Tx } from '../db/database.js'
import type { EventRepository } from '../events/event-repository.js'
import type { StoredEvent } from '../events/event.js'
import type { Delivery, DeliveryStatus } from './delivery.js'
import type { DeliveryPlanner } from './delivery-planner.js'
import type { DeliveryRepository } from './delivery-repository.js'
import type { Replay } from './replay.js'
import type { ReplayRepository } from './replay-repository.js'
import { wants, type Webhook } from './webhook.js'
import type { WebhookRepository } from './webhook-repository.js'
import type { ReplayRequest } from './webhook-requests.js'
import { checkEnabled } from './webhooks.js'

export interface ReplaysOptions {
  db: Database
  repository: ReplayRepository
  webhooks: Pick<WebhookRepository, 'byIds'>
  deliveries: DeliveryRepository
  events: Pick<EventRepository, 'list' | 'placeBefore' | 'newestPlace'>
  planner: Pick<DeliveryPlanner, 'delivery'>
  onRevived: (webhook: Webhook) => void
  clock: Clock
  log: Logger
}

const AT_ONCE = 500
/** Portions that whoever asks waits for. */
const FIRST = 4
const MOST_RUNNING = 100
const MOST_LISTED = 50
const EVERY_MS = 2_000
/** Between two portions: others write, too. */
const REST_MS = 20

/** What one portion looks at, up to which place, and whether that is all. */
interface Portion {
  place: number
  isLast: boolean
  /** Makes them due, in the transaction; answers how many. */
  apply: (tx: Tx) => Promise<number>
}

export class Replays implements Service {
  private readonly rounds: Rounds

  constructor(private readonly options: ReplaysOptions) {
    this.rounds = new Rounds({
      round: () => this.replayAll(),
      restMs: EVERY_MS,
      onFailed: (err) => options.log.warn({ err }, 'replays.round_failed'),
    })
  }

  start(): Promise<void> {
    return this.rounds.start()
  }

  stop(): Promise<void> {
    return this.rounds.stop()
  }

  /** Newest first. */
  list({ id }: Webhook): Promise<Replay[]> {
    return this.options.repository.ofWebhook(id, MOST_LISTED)
  }

  /** Answers how far it came; the rest follows. Throws `not_ready` (`webhook_disabled`) and `conflict` (`replay_running`). */
  async begin(webhook: Webhook, request: ReplayRequest): Promise<Replay> {
    checkEnabled(webhook)
    const { events, repository, clock } = this.options
    const since = 'since' in request ? new Date(request.since) : null
    const replay: Replay = {
      ...{ id: newId('rpl'), tenantId: webhook.tenantId, webhookId: webhook.id, since },
      succeeded: 'succeeded' in request && request.succeeded,
      place: since ? await events.placeBefore(since) : 0,
      lastPlace: await events.newestPlace(),
      ...{ deliveries: 0, status: 'running', createdAt: new Date(clock()), endedAt: null },
    }
    if (!(await repository.add(replay))) {
      throw new AppError('conflict', 'A replay of this webhook is running. Wait until it is done.', {
        reason: 'replay_running',
      })
    }
    let now: Replay | undefined = replay
    for (let portion = 0; portion < FIRST && now?.status === 'running'; portion++) now = await this.step(now)
    if (now?.status === 'running') this.rounds.wake()
    return now ?? (await repository.find(replay.id)) ?? replay
  }

  /** One round over everything that is wanted. */
  async replayAll(): Promise<void> {
    const { signal } = this.rounds
    for (const first of await this.options.repository.running(MOST_RUNNING)) {
      for (let now: Replay | undefined = first; now?.status === 'running' && !signal.aborted;) {
        now = await this.step(now)
        await sleep(REST_MS, signal)
      }
    }
  }

  /** One portion. Undefined when another gateway has got on with it. */
  private async step(replay: Replay): Promise<Replay | undefined> {
    const { db, repository, webhooks, onRevived, clock } = this.options
    const [webhook] = await webhooks.byIds([replay.webhookId])
    if (!webhook || webhook.status === 'disabled' || webhook.status === 'deleted') {
      await repository.cancel(replay.id, clock())
      return undefined
    }
    const portion = await (replay.since ? this.eventsOf(replay, webhook) : this.failedOf(replay))
    const next = await db.write(async (tx): Promise<Replay | undefined> => {
      if (!(await repository.advance(tx, replay, portion.place))) return undefined
      const deliveries = replay.deliveries + (await portion.apply(tx))
      const over = portion.isLast ? ({ status: 'done', endedAt: clock() } as const) : {}
      const advanced: Replay = { ...replay, place: portion.place, deliveries, ...over }
      await repository.note(tx, advanced)
      return advanced
    })
    onRevived(webhook)
    return next
  }

  private async failedOf({ webhookId, place, lastPlace }: Replay): Promise<Portion> {
    const { deliveries } = this.options
    const failed = await deliveries.exhaustedAfter(webhookId, place, lastPlace, AT_ONCE)
    const isLast = failed.length < AT_ONCE
    return {
      place: isLast ? lastPlace + 1 : (failed.at(-1)?.place ?? place),
      isLast,
      apply: (tx) =>
        deliveries.revive(
          tx,
          failed.map(({ id }) => id),
        ),
    }
  }

  private async eventsOf({ place, lastPlace, succeeded }: Replay, webhook: Webhook): Promise<Portion> {
    const { tenantId, sessions } = webhook
    const sessionIds = sessions.includes('*') ? undefined : (sessions as `ses_${string}`[])
    const some = await this.options.events.list(place, AT_ONCE, { tenantId, sessionIds })
    const due = some.filter((event) => event.place <= lastPlace)
    const wanted = due.filter((event) => wants(webhook, event))
    const isLast = due.length < AT_ONCE
    return {
      place: isLast ? lastPlace + 1 : (due.at(-1)?.place ?? place),
      isLast,
      apply: (tx) => this.sendAgain(tx, webhook, wanted, succeeded),
    }
  }

  private async sendAgain(
    tx: Tx,
    webhook: Webhook,
    wanted: readonly StoredEvent[],
    succeeded: boolean,
  ): Promise<number> {
    const { deliveries, planner } = this.options
    const again: DeliveryStatus[] = ['exhausted', 'cancelled', ...(succeeded ? (['succeeded'] as const) : [])]
    // What waits for a later attempt goes now: whoever asks knows that the receiver is back.
    const isWanted = ({ status, dueAt }: Delivery) => again.includes(status) || (status === 'pending' && dueAt !== 0)
    const places = wanted.map(({ place }) => place)
    const there = new Map((await deliveries.ofPlaces(tx, webhook.id, places)).map((row) => [row.place, row]))
    const missing = wanted.filter(({ place }) => !there.has(place))
    await deliveries.add(
      tx,
      missing.map((event) => planner.delivery(webhook, event)),
    )
    const revived = [...there.values()].filter(isWanted).map(({ id }) => id)
    return missing.length + (await deliveries.revive(tx, revived))
  }
}
