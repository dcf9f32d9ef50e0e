import { type NodeId, type SessionStatus, sessionStatuses } from '../../proto/contract.js'
import type { Metrics } from '../../runtime/metrics.js'
import { shownStatus } from './session.js'
import type { SessionCountsRepository } from './session-counts-repository.js'

export interface SessionMetricsOptions {
  metrics: Metrics
  counts: SessionCountsRepository
  isNodeSilent: (nodeId: NodeId) => boolean
}

export function addSessionMetrics({ metrics, counts, isNodeSilent }: SessionMetricsOptions): void {
  metrics.gauges(
    {
      sessions: {
        name: 'switchboard_sessions',
        help: 'Sessions by the status that is shown for them, over all tenants.',
        labels: ['status'],
      },
    },
    async () => {
      const totals = new Map<SessionStatus, number>(sessionStatuses.map((status) => [status, 0]))
      for (const group of await counts.groups()) {
        const { status } = shownStatus({ ...group, reason: null, detail: null }, isNodeSilent(group.nodeId))
        totals.set(status, (totals.get(status) ?? 0) + group.count)
      }
      return { sessions: [...totals].map(([status, value]) => ({ labels: { status }, value })) }
    },
  )
}
