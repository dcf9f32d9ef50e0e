import { engines, type SessionStatus, sessionStatuses } from '../proto/contract.js'
import type { Reason } from '../proto/reasons.js'
import type { Clock } from '../runtime/clock.js'
import type { Metrics } from '../runtime/metrics.js'
import type { JournalNumbers } from './journal/journal-numbers.js'
import type { Sessions } from './sessions/sessions.js'

export interface NodeMetricsOptions {
  metrics: Metrics
  sessions: Pick<Sessions, 'list' | 'load'>
  numbers: JournalNumbers
  eventLog: { bytes(): number; maxBytes: number }
  capacity: number
  clock: Clock
}

/** What a node is watched by. A session is named by its id: no name, no phone number. */
export function addNodeMetrics({ metrics, sessions, numbers, eventLog, capacity, clock }: NodeMetricsOptions): void {
  metrics.gauges(
    {
      capacity: { name: 'switchboard_node_capacity_sessions', help: 'Real sessions that this node takes.' },
      load: {
        name: 'switchboard_node_load_sessions',
        help: 'Real sessions of this node that run or come back by themselves.',
      },
      sessions: {
        name: 'switchboard_node_sessions',
        help: 'Sessions of this node by engine and status.',
        labels: ['engine', 'status'],
      },
      memory: {
        name: 'switchboard_session_browser_memory_bytes',
        help: 'Proportional memory (PSS) of the browser of a session with all its processes in bytes, as of its last probe.',
        labels: ['session'],
      },
      processes: {
        name: 'switchboard_session_browser_processes',
        help: 'Processes of the browser of a session, as of its last probe.',
        labels: ['session'],
      },
    },
    () => {
      const all = sessions.list()
      const used = all.flatMap(({ record, usage }) => (usage ? { labels: { session: record.id }, usage } : []))
      const count = (engine: string, status: SessionStatus) =>
        all.filter(({ record }) => record.engine === engine && record.status === status).length
      return {
        capacity: [{ value: capacity }],
        load: [{ value: sessions.load() }],
        sessions: engines.flatMap((engine) =>
          sessionStatuses.map((status) => ({ labels: { engine, status }, value: count(engine, status) })),
        ),
        memory: used.map(({ labels, usage }) => ({ labels, value: usage.memoryBytes })),
        processes: used.map(({ labels, usage }) => ({ labels, value: usage.processes })),
      }
    },
  )
  metrics.gauges(
    {
      queue: {
        name: 'switchboard_session_queue_messages',
        help: 'Messages that this node took on and that are not over, by session and state; a session without any is left out.',
        labels: ['session', 'state'],
      },
      events: {
        name: 'switchboard_event_log_unacknowledged_events',
        help: 'Events of this node that no gateway has acknowledged.',
      },
      bytes: {
        name: 'switchboard_event_log_unacknowledged_bytes',
        help: 'Size of the events of this node that no gateway has acknowledged in bytes; beyond 5000 events estimated from the newest.',
      },
      lag: {
        name: 'switchboard_event_log_oldest_unacknowledged_seconds',
        help: 'Age of the oldest event of this node that no gateway has acknowledged in seconds; 0 when there is none.',
      },
      size: {
        name: 'switchboard_event_log_size_bytes',
        help: 'What the event log of this node takes on the disk in bytes, with what it keeps for live watchers.',
      },
      bound: {
        name: 'switchboard_event_log_max_bytes',
        help: 'Size of the event log in bytes at which this node disconnects its sessions until it was read.',
      },
    },
    () => {
      const unacknowledged = numbers.unacknowledged()
      return {
        queue: numbers.openSends().map(({ sessionId, state, count }) => ({
          labels: { session: sessionId, state },
          value: count,
        })),
        events: [{ value: unacknowledged.events }],
        bytes: [{ value: unacknowledged.bytes }],
        lag: [
          { value: unacknowledged.oldestAt === undefined ? 0 : Math.max(0, clock() - unacknowledged.oldestAt) / 1_000 },
        ],
        size: [{ value: eventLog.bytes() }],
        bound: [{ value: eventLog.maxBytes }],
      }
    },
  )
}

const restartReasons = [
  'browser_crashed',
  'browser_missing',
  'connection_lost',
  'event_log_full',
  'launch_failed',
  'memory_limit',
  'page_closed',
  'page_crashed',
  'page_unresponsive',
  'ready_timeout',
] as const satisfies Reason[]

/** Counts sessions that died and come back by themselves. */
export function restartCounter(metrics: Metrics): (reason: Reason) => void {
  const restarts = metrics.counter({
    name: 'switchboard_session_restarts_total',
    help: 'Restarts of sessions that died by themselves, by reason.',
    labels: ['reason'],
  })
  // A counter that begins with its first restart would hide it from whoever looks at the increase.
  for (const reason of restartReasons) restarts.inc({ reason }, 0)
  return (reason) => restarts.inc({ reason })
}
