/** Everything that webhooks need, built together; part of the composition root. */
import type { TenantId } from '../../proto/contract.js'
import type { Clock } from '../../runtime/clock.js'
import { inOrder, type Service } from '../../runtime/lifecycle.js'
import type { Logger } from '../../runtime/log.js'
import type { Metrics } from '../../runtime/metrics.js'
import { version } from '../../runtime/version.js'
import type { Database, Tx } from '../db/database.js'
import type { EventPresenter } from '../events/event-presenter.js'
import type { EventRepository } from '../events/event-repository.js'
import type { StoredEvent } from '../events/event.js'
import type { ApiRouter } from '../http/context.js'
import { createGuardedClient } from '../http/guarded-client.js'
import type { IdempotencyKeys } from '../idempotency/idempotency-keys.js'
import type { KeyedRequests } from '../idempotency/keyed-requests.js'
import type { Session } from '../sessions/session.js'
import type { ApiKey } from '../tenants/api-key.js'
import type { Secrets } from '../tenants/secrets.js'
import { Deliverer } from './deliverer.js'
import { Deliveries } from './deliveries.js'
import { deliveryMetrics } from './delivery-metrics.js'
import { DeliveryPlanner } from './delivery-planner.js'
import { DeliveryRecorder, type DeliveryRecorderOptions } from './delivery-recorder.js'
import { DeliveryRepository } from './delivery-repository.js'
import { DeliveryTrimmer, type DeliveryTrimmerOptions } from './delivery-trimmer.js'
import { EventBodies, type EventBodiesOptions } from './event-bodies.js'
import { ReplayRepository } from './replay-repository.js'
import { Replays } from './replays.js'
import type { Schedule } from './schedule.js'
import { Sockets } from './sockets.js'
import { WebhookRepository } from './webhook-repository.js'
import { webhookRoutes } from './webhook-routes.js'
import { WebhookSender } from './webhook-sender.js'
import type { Webhook } from './webhook.js'
import { Webhooks, type WebhooksOptions } from './webhooks.js'

/** What operators set. */
export interface WebhookSettings {
  allowCidrs: readonly string[]
  schedule: Schedule
  retention: DeliveryTrimmerOptions['retention']
}

export interface CreateWebhooksOptions {
  db: Database
  secrets: Secrets
  settings: WebhookSettings
  /** Built after this, because it tells this of each event. */
  events: () => EventRepository
  presenter: EventPresenter
  pendingMedia: EventBodiesOptions['pendingMedia']
  count?: DeliveryRecorderOptions['count']
  sessions: { get: (tenantId: TenantId, ref: string, key?: ApiKey) => Promise<Session> }
  makeRoom: WebhooksOptions['makeRoom']
  keys: IdempotencyKeys
  keyed: KeyedRequests
  metrics: Metrics
  clock: Clock
  /** For what is due, however the wall clock is set. */
  time: Clock
  random?: () => number
  log: Logger
}

export interface WebhookParts extends Service {
  /** In the transaction that stores events. */
  plan: (tx: Tx, events: readonly StoredEvent[]) => Promise<void>
  deliverer: Deliverer
  webhooks: Webhooks
  /** As the API sees them. */
  deliveries: Deliveries
  replays: Replays
  trimmer: DeliveryTrimmer
  routes: ApiRouter
}

const MOST_AT_ONCE = 512

export function createWebhooks(options: CreateWebhooksOptions): WebhookParts {
  const { db, secrets, settings, sessions, keys, keyed, metrics, clock, time, log } = options
  const { schedule, retention } = settings
  const key = () => secrets.key('webhook-secrets')
  const repository = new WebhookRepository(db, key)
  const deliveries = new DeliveryRepository(db, key)
  const client = createGuardedClient({ allowCidrs: settings.allowCidrs, connections: MOST_AT_ONCE, lookups: 2 })
  const sender = new WebhookSender({ client, userAgent: `Switchboard/${version}`, clock })
  const recorder = new DeliveryRecorder({
    ...{ db, webhooks: repository, deliveries },
    addEvents: (tx, events, now) => options.events().add(tx, events, now),
    count: options.count,
    onMoreToGiveUp: () => trimmer.wake(),
    clock,
  })
  const bodies = new EventBodies({
    byIds: (ids) => options.events().byIds(ids),
    present: (events) => options.presenter.all(events),
    pendingMedia: options.pendingMedia,
    clock: time,
  })
  const deliverer = new Deliverer({
    ...{ db, webhooks: repository, deliveries, recorder, bodies, sender, schedule, clock: time, log },
    sockets: new Sockets(MOST_AT_ONCE),
    onAttempt: deliveryMetrics({ metrics, deliveries, clock: time }),
    random: options.random ?? Math.random,
  })
  const planner = new DeliveryPlanner({
    ...{ db, webhooks: repository, deliveries, schedule, clock: time },
    onPlanned: (ids) => deliverer.wake(ids),
  })
  const webhooks = new Webhooks({
    ...{ db, repository, deliveries, sender, client, sessions, clock },
    makeRoom: options.makeRoom,
    onChanged: (webhook, how) => deliverer.changed(webhook, how),
  })
  const onRevived = (webhook: Webhook) => deliverer.changed(webhook)
  const shown = new Deliveries({ db, webhooks, deliveries, onRevived })
  const replayRows = new ReplayRepository(db)
  const replays = new Replays({
    ...{ db, repository: replayRows, webhooks: repository, deliveries, planner, onRevived, clock, log },
    events: {
      list: (...args) => options.events().list(...args),
      placeBefore: (...args) => options.events().placeBefore(...args),
      newestPlace: () => options.events().newestPlace(),
    },
  })
  const trimmer = new DeliveryTrimmer({
    ...{ deliveries, replays: replayRows, webhooks: repository, retention, clock, log },
    giveUp: (signal) => recorder.giveUp(signal),
  })

  const connections: Service = { start: () => Promise.resolve(), stop: () => client.close() }
  const tests: Service = { start: () => Promise.resolve(), stop: () => Promise.resolve(webhooks.stop()) }
  const parts = inOrder(connections, trimmer, deliverer, replays, tests)
  return {
    start: parts.start,
    stop: parts.stop,
    plan: (tx, events) => planner.plan(tx, events),
    ...{ deliverer, webhooks, deliveries: shown, replays, trimmer },
    routes: webhookRoutes({ webhooks, deliveries: shown, replays, keyed, keys }),
  }
}
