/** Everything that counts what tenants use, built together; part of the composition root. */
import type { NodeId } from '../../proto/contract.js'
import type { Clock } from '../../runtime/clock.js'
import { inOrder, type Service } from '../../runtime/lifecycle.js'
import type { Logger } from '../../runtime/log.js'
import type { Metrics } from '../../runtime/metrics.js'
import type { Database } from '../db/database.js'
import type { ApiRouter } from '../http/context.js'
import { ConnectedTime, type ConnectedTimeOptions } from './connected-time.js'
import { UsageCounting } from './usage-counting.js'
import { UsageRecount, type UsageRecountOptions } from './usage-recount.js'
import { UsageRecountRepository } from './usage-recount-repository.js'
import { UsageReport, type UsageReportOptions } from './usage-report.js'
import { UsageReportRepository } from './usage-report-repository.js'
import { UsageRepository } from './usage-repository.js'
import { usageRoutes, type UsageRoutesOptions } from './usage-routes.js'

export interface CreateUsageOptions {
  db: Database
  sessions: UsageReportOptions['sessions']
  tenantIdOf: UsageRoutesOptions['tenantIdOf']
  quotaState: UsageRoutesOptions['quotaState']
  mediaState: UsageRoutesOptions['mediaState']
  presence: ConnectedTimeOptions['presence']
  liveNodes: () => NodeId[]
  sessionsOn: ConnectedTimeOptions['sessionsOn']
  turn: UsageRecountOptions['turn']
  /** How long what is counted is kept, in ms. */
  keep: UsageRecountOptions['keep']
  metrics: Metrics
  /** By which messages are dated. */
  clock: Clock
  /** Which runs evenly, and is the same at every gateway. */
  time: Clock
  log: Logger
}

export interface Usage extends Service {
  counting: UsageCounting
  connected: Pick<ConnectedTime, 'live' | 'stored'>
  recount: Pick<UsageRecount, 'recountDue'>
  routes: ApiRouter
}

export function createUsage(options: CreateUsageOptions): Usage {
  const { db, clock, log } = options
  const repository = new UsageRepository(db)
  const connected = new ConnectedTime({ ...options, repository })
  const report = new UsageReport({ repository: new UsageReportRepository(db), sessions: options.sessions })
  const recount = new UsageRecount({
    ...{ db, clock, log },
    repository: new UsageRecountRepository(db),
    counts: repository,
    turn: options.turn,
    keep: options.keep,
    metrics: options.metrics,
  })
  const parts = inOrder(connected, recount)
  return {
    ...parts,
    counting: new UsageCounting(repository),
    connected,
    recount,
    routes: usageRoutes({ ...options, report }),
  }
}
