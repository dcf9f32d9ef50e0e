/** Everything that counts what tenants use, built together; part of the composition root. */
import type { NodeId } from '../../proto/contract.js'
import type { Clock } from '../../runtime/clock.js'
import { inOrder, type Service } from '../../runtime/lifecycle.js'
import type { Logger } from '../../runtime/log.js'
import type { Database } from '../db/database.js'
import { ConnectedTime, type ConnectedTimeOptions } from './connected-time.js'
import { UsageCounting } from './usage-counting.js'
import { UsageRepository } from './usage-repository.js'

export interface CreateUsageOptions {
  db: Database
  presence: ConnectedTimeOptions['presence']
  liveNodes: () => NodeId[]
  sessionsOn: ConnectedTimeOptions['sessionsOn']
  /** By which gateways agree. */
  time: Clock
  log: Logger
}

export interface Usage extends Service {
  counting: UsageCounting
  connected: Pick<ConnectedTime, 'live' | 'stored'>
}

export function createUsage(options: CreateUsageOptions): Usage {
  const { db, presence, liveNodes, sessionsOn, time, log } = options
  const repository = new UsageRepository(db)
  const connected = new ConnectedTime({ db, repository, presence, liveNodes, sessionsOn, time, log })
  const parts = inOrder(connected)
  return { ...parts, counting: new UsageCounting(repository), connected }
}
