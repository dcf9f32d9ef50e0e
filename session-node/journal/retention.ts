import { type Clock, sleep } from '../../runtime/clock.js'
import type { Service } from '../../runtime/lifecycle.js'
import type { Logger } from '../../runtime/log.js'
import type { Journal } from './journal.js'

const HOUR_MS = 3_600_000
const EVENTS_MS = 24 * HOUR_MS
/** Longer than any message may wait, so that none is taken on twice. */
export const DEFAULT_IDS_MS = 30 * 24 * HOUR_MS
const SWEEP_MS = 600_000
/** Deleting much at once would hold up every other write. */
const CHUNK = 2_000

/** Trims the journal: acknowledged events after a day, ids after a month unless set. What was not acknowledged stays. */
export class Retention implements Service {
  private stopping = new AbortController()
  private sweeping: Promise<void> = Promise.resolve()

  constructor(
    private readonly journal: Journal,
    private readonly clock: Clock,
    private readonly log: Logger,
    private readonly idsMs = DEFAULT_IDS_MS,
  ) {}

  start(): Promise<void> {
    this.stopping = new AbortController()
    this.sweeping = this.loop(this.stopping.signal)
    return Promise.resolve()
  }

  async stop(): Promise<void> {
    this.stopping.abort()
    await this.sweeping
  }

  /** One round. */
  async trim(signal?: AbortSignal): Promise<void> {
    const now = this.clock()
    const rules: [sql: string, before: number][] = [
      [
        `DELETE FROM events WHERE position IN (SELECT position FROM events
           WHERE position <= (SELECT acknowledged FROM node) AND at < ? ORDER BY position LIMIT ${CHUNK})`,
        now - EVENTS_MS,
      ],
      [
        `DELETE FROM sends WHERE position IN
           (SELECT position FROM sends WHERE state = 'done' AND changed_at < ? LIMIT ${CHUNK})`,
        now - this.idsMs,
      ],
      [
        `DELETE FROM seen WHERE (session_id, key) IN
           (SELECT session_id, key FROM seen WHERE at < ? LIMIT ${CHUNK})`,
        now - this.idsMs,
      ],
      ['DELETE FROM tombstones WHERE at < ?', now - this.idsMs],
    ]
    for (const [sql, before] of rules) {
      let full = true
      while (full && !signal?.aborted) {
        full = (await this.journal.write(() => this.journal.run(sql, before).changes)) >= CHUNK
      }
    }
    const today = new Date(now).toISOString().slice(0, 10)
    await this.journal.write(() => this.journal.run('DELETE FROM dispatched_days WHERE day < ?', today))
  }

  /** All that the gateway has, however new: the log needs the room. */
  async trimAcknowledged(signal?: AbortSignal): Promise<void> {
    const sql = `DELETE FROM events WHERE position IN (SELECT position FROM events
      WHERE position <= (SELECT acknowledged FROM node) ORDER BY position LIMIT ${CHUNK})`
    let full = true
    while (full && !signal?.aborted) full = (await this.journal.write(() => this.journal.run(sql).changes)) >= CHUNK
  }

  private async loop(signal: AbortSignal) {
    while (!signal.aborted) {
      await this.trim(signal).catch((err: unknown) => this.log.error({ err }, 'retention.failed'))
      await sleep(SWEEP_MS, signal)
    }
  }
}
