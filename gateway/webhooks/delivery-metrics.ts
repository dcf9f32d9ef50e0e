import type { Clock } from '../../runtime/clock.js'
import type { Metrics } from '../../runtime/metrics.js'
import type { Outcome } from './delivery.js'
import type { DeliveryRepository } from './delivery-repository.js'

/** Seconds: from a receiver next door to the limit of an attempt. */
const BUCKETS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 15]

/** Counts attempts; says how much waits when somebody asks. */
export function deliveryMetrics(options: { metrics: Metrics; deliveries: DeliveryRepository; clock: Clock }) {
  const { metrics, deliveries, clock } = options
  const attempts = metrics.counter({
    name: 'switchboard_delivery_attempts_total',
    help: 'Attempts to deliver an event to a webhook: succeeded, again (will be tried again), exhausted (was the last).',
    labels: ['result'],
  })
  for (const result of ['succeeded', 'again', 'exhausted'] as const) attempts.inc({ result }, 0)
  const seconds = metrics.histogram(
    { name: 'switchboard_delivery_attempt_seconds', help: 'Time that receivers took for an attempt, in seconds.' },
    BUCKETS,
  )
  metrics.gauges(
    {
      pending: {
        name: 'switchboard_deliveries_pending',
        help: 'Deliveries that are to be made, now or later, to webhooks that are neither paused nor disabled.',
      },
      oldest: {
        name: 'switchboard_deliveries_oldest_pending_seconds',
        help: 'Age of the oldest of these in seconds; 0 when there is none.',
      },
    },
    async () => {
      const { pending, oldestAt } = await deliveries.open()
      const age = oldestAt === undefined ? 0 : Math.max(0, clock() - oldestAt) / 1_000
      return { pending: [{ value: pending }], oldest: [{ value: age }] }
    },
  )
  return ({ durationMs }: Outcome, result: 'succeeded' | 'again' | 'exhausted') => {
    attempts.inc({ result })
    seconds.observe(durationMs / 1_000)
  }
}
