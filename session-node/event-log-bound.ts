import { sleep } from '../runtime/clock.js'
import type { Service } from '../runtime/lifecycle.js'
import type { Logger } from '../runtime/log.js'
import type { EventLog } from './journal/event-log.js'
import type { Retention } from './journal/retention.js'
import type { Sessions } from './sessions/sessions.js'

const WARN_AT = 0.8
/** Commits come by the hundred. */
const REST_MS = 100

export interface EventLogBoundOptions {
  maxBytes: number
  events: EventLog
  retention: Retention
  sessions: Sessions
  log: Logger
}

/**
 * Keeps the event log within its bound while nobody reads it: what was read goes first; then sessions are disconnected,
 * so that WhatsApp keeps what they do not fetch, until there is room again.
 */
export class EventLogBound implements Service {
  private stopping = new AbortController()
  private looking: Promise<void> = Promise.resolve()
  private warned = false

  constructor(private readonly options: EventLogBoundOptions) {}

  /** Before the sessions, so that none starts on a log that is full. */
  async start(): Promise<void> {
    this.stopping = new AbortController()
    await this.check()
    this.looking = this.loop(this.stopping.signal)
  }

  async stop(): Promise<void> {
    this.stopping.abort()
    await this.looking
  }

  private async check(): Promise<void> {
    const { events, retention, sessions, maxBytes, log } = this.options
    if (this.fullness() >= WARN_AT) await retention.trimAcknowledged(this.stopping.signal)
    const fullness = this.fullness()
    const bytes = events.bytes()
    if (fullness < WARN_AT) {
      this.warned = false
      if (!sessions.held) return
      log.info({ bytes, maxBytes }, 'event_log.has_room')
      sessions.release()
    } else if (fullness >= 1 && !sessions.held) {
      log.warn({ bytes, maxBytes }, 'event_log.full')
      sessions.hold('event_log_full')
    } else if (!this.warned) {
      this.warned = true
      log.warn({ bytes, maxBytes, hint: 'is a gateway following this node?' }, 'event_log.filling')
    }
  }

  private fullness(): number {
    return this.options.events.bytes() / this.options.maxBytes
  }

  private async loop(signal: AbortSignal): Promise<void> {
    const { events, log } = this.options
    while (!signal.aborted) {
      const { version } = events.changed
      await this.check().catch((err: unknown) => log.error({ err }, 'event_log.not_checked'))
      await sleep(REST_MS, signal)
      await events.changed.since(version, { signal })
    }
  }
}
