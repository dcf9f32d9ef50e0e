import { sleep } from '../../runtime/clock.js'
import type { Metrics } from '../../runtime/metrics.js'
import type { Database } from './database.js'

const PATIENCE_MS = 2_000

export function addDatabaseMetrics(metrics: Metrics, db: Pick<Database, 'ping'>): void {
  metrics.gauges(
    { up: { name: 'switchboard_database_up', help: 'Whether the database answers: 1 or 0.' } },
    async () => {
      const patience = new AbortController()
      const late = sleep(PATIENCE_MS, patience.signal).then(() => 0)
      const answered = db.ping().then(
        () => 1,
        () => 0,
      )
      const value = await Promise.race([answered, late])
      patience.abort()
      return { up: [{ value }] }
    },
  )
}

/** For the database's `onRetry`. */
export function databaseRetries(metrics: Metrics): () => void {
  const retries = metrics.counter({
    name: 'switchboard_database_retries_total',
    help: 'Transactions done again after a deadlock or a lock that was waited for too long.',
  })
  return () => retries.inc()
}
