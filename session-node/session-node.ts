import { existsSync, readFileSync } from 'node:fs'
import type { NodeId, NodeInfo } from '../proto/contract.js'
import { createRpcServer } from '../proto/rpc-server.js'
import type { Clock } from '../runtime/clock.js'
import { inOrder, type Service } from '../runtime/lifecycle.js'
import type { Logger } from '../runtime/log.js'
import { Metrics } from '../runtime/metrics.js'
import type { SessionNodeConfig } from './config.js'
import { EventStreams } from './event-streams.js'
import { EventLogBound } from './event-log-bound.js'
import { EventLog } from './journal/event-log.js'
import { Journal } from './journal/journal.js'
import { JournalNumbers } from './journal/journal-numbers.js'
import { Retention } from './journal/retention.js'
import { Sends } from './journal/sends.js'
import { SessionRows } from './journal/session-rows.js'
import { MediaFiles } from './media/media-files.js'
import { addNodeMetrics, restartCounter } from './node-metrics.js'
import { Pulse } from './pulse.js'
import { SendingPermit } from './sending-permit.js'
import { sessionNodeService } from './session-node-service.js'
import { LaunchGate } from './sessions/launch-gate.js'
import { Outcomes } from './sessions/outcomes.js'
import { Profiles } from './sessions/profiles.js'
import { Sessions } from './sessions/sessions.js'
import type { MakeClient } from './sessions/session-world.js'
import { defaultTiming } from './sessions/timing.js'
import { createEngines } from './whatsapp/engines.js'
import type { ClientOptions } from './whatsapp/whatsapp-client.js'

/** What a test replaces. */
export interface Outside {
  log: Logger
  clock: Clock
  /** For deadlines and pauses, however the wall clock is set; `clock` unless given. */
  steady?: Clock
  /** Where it counts; told by whoever made it. */
  metrics?: Metrics
  /** Sends without a gateway that lets it: for tests of a node alone. */
  sendsAlone?: boolean
  /** Makes the client of a session; `usual` is how it is made otherwise. */
  makeClient?: (options: ClientOptions, usual: MakeClient) => ReturnType<MakeClient>
}

export interface SessionNode extends Service {
  /** Where to call it, once started. */
  address(): string
  id(): NodeId
}

/** EVENT_LOG_MAX_MIB unless set. */
const DEFAULT_EVENT_LOG_BYTES = 2 ** 30

export function createSessionNode(config: SessionNodeConfig, outside: Outside): SessionNode {
  const { log, clock, steady = clock, makeClient, sendsAlone, metrics = new Metrics() } = outside
  const timing = { ...defaultTiming, ...config.timing }
  const journal = new Journal({ dataDir: config.dataDir, nodeId: config.nodeId })
  const events = new EventLog(journal, clock)
  const sends = new Sends(journal, clock, steady)
  const outcomes = new Outcomes(sends, events)
  const media = new MediaFiles(config.dataDir, journal, clock, log)
  const profiles = new Profiles(config.dataDir, log)
  const engines = createEngines(config)
  const qrChanged = new Pulse()
  const permit = new SendingPermit(clock, sendsAlone)
  const world = {
    ...{ journal, events, sends, outcomes, media, profiles, permit, qrChanged, timing, clock, steady, log },
    rows: new SessionRows(journal),
    hold: { reason: undefined },
    gate: new LaunchGate(timing.launchesAtOnce, timing.launchGapMs),
    makeClient: (options: ClientOptions) =>
      makeClient ? makeClient(options, engines.makeClient) : engines.makeClient(options),
    onRestart: restartCounter(metrics),
  }
  const sessions = new Sessions(world, config)
  const retention = new Retention(journal, clock, log, config.journalRetentionMs)
  const eventLogMaxBytes = config.eventLogMaxBytes ?? DEFAULT_EVENT_LOG_BYTES
  const bound = new EventLogBound({ maxBytes: eventLogMaxBytes, events, retention, sessions, log })
  const { heartbeatMs, permitMs } = timing
  const streams = new EventStreams({ events, sessions, qrChanged, permit, heartbeatMs, permitMs, clock, log })
  addNodeMetrics({
    metrics,
    sessions,
    numbers: new JournalNumbers(journal),
    eventLog: { bytes: () => events.bytes(), maxBytes: eventLogMaxBytes },
    capacity: config.capacity,
    clock,
  })
  let draining = false

  function info(): NodeInfo {
    const { epoch } = events.end()
    const { capacity } = config
    return {
      id: journal.nodeId(),
      epoch,
      version,
      capacity,
      load: sessions.load(),
      draining,
      eventLog: { bytes: events.bytes(), maxBytes: eventLogMaxBytes },
      ...engines.available(),
    }
  }

  const rpc = createRpcServer({
    listen: config.listen,
    security: config.security,
    handlers: (serving) => sessionNodeService({ sessions, streams, media, info }, serving),
    log,
  })

  // Stopped from right to left: callers first, then sends and browsers, the journal last.
  const parts = inOrder(journal, engines, media, profiles, retention, bound, sessions, rpc)
  async function start() {
    await parts.start()
    // Chromium cannot start as root with its sandbox, so root has it off unless set otherwise.
    if (config.browser.noSandbox) log.info('browser.without_sandbox')
    log.info({ node: journal.nodeId(), address: rpc.address(), sessions: sessions.list().length }, 'node.started')
  }
  async function stop() {
    draining = true
    rpc.drain()
    await parts.stop()
  }
  return { start, stop, address: rpc.address, id: () => journal.nodeId() }
}

const packageFile = ['../package.json', '../../package.json']
  .map((path) => new URL(path, import.meta.url))
  .find((path) => existsSync(path))
const version = packageFile ? (JSON.parse(readFileSync(packageFile, 'utf8')) as { version: string }).version : 'unknown'
