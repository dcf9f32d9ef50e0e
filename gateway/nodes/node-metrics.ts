import type { NodeDirectory } from '../../proto/node-directory.js'
import type { Clock } from '../../runtime/clock.js'
import type { Metrics } from '../../runtime/metrics.js'
import type { NodePresence } from './node-presence.js'

export interface NodeMetricsOptions {
  metrics: Metrics
  directory: Pick<NodeDirectory, 'nodes'>
  presence: NodePresence
  clock: Clock
}

export function addNodeMetrics({ metrics, directory, presence, clock }: NodeMetricsOptions): void {
  const builtAt = clock()
  metrics.gauges(
    {
      nodes: {
        name: 'switchboard_nodes',
        help: 'Session nodes that this gateway knows of, by whether they answer.',
        labels: ['state'],
      },
      silence: {
        name: 'switchboard_node_last_heard_seconds',
        help: 'Seconds since the event stream of a node was last heard by any gateway; since the start of this one before that.',
        labels: ['node'],
      },
    },
    () => {
      const nodes = directory.nodes()
      const reachable = nodes.filter((node) => node.reachable).length
      return {
        nodes: [
          { labels: { state: 'reachable' }, value: reachable },
          { labels: { state: 'unreachable' }, value: nodes.length - reachable },
        ],
        silence: nodes.flatMap(({ info }) => {
          if (!info) return []
          const heardAt = presence.lastHeardAt(info.id) ?? builtAt
          return { labels: { node: info.id }, value: Math.max(0, clock() - heardAt) / 1_000 }
        }),
      }
    },
  )
}
