import type { Metrics } from '../../runtime/metrics.js'

/** Whose limit it was: of a tenant, of a key, of an address that tries out keys, or of messages per day. */
export const limitKinds = ['tenant', 'key', 'address', 'messages_per_day'] as const
export type LimitKind = (typeof limitKinds)[number]

export function refusalMetrics(metrics: Metrics): (kind: LimitKind) => void {
  const refusals = metrics.counter({
    name: 'switchboard_rate_limit_refusals_total',
    help: 'Requests refused with 429 by the limit that they exceeded: requests per minute of a tenant or of a key, failed authentications of an address, messages per day of a tenant.',
    labels: ['kind'],
  })
  for (const kind of limitKinds) refusals.inc({ kind }, 0)
  return (kind) => refusals.inc({ kind })
}
