/** Counts each day once more when it is over, from what is still kept, and corrects what differs. */
import type { Clock } from '../../runtime/clock.js'
import type { Service } from '../../runtime/lifecycle.js'
import type { Logger } from '../../runtime/log.js'
import type { Counter, Metrics } from '../../runtime/metrics.js'
import { Rounds } from '../../runtime/rounds.js'
import type { Database } from '../db/database.js'
import { type Day, DAY_MS, dayOf, startOf, type UsageCount, UsageSum } from './usage.js'
import type { UsageRecountRepository } from './usage-recount-repository.js'
import type { UsageRepository } from './usage-repository.js'

export interface UsageRecountOptions {
  db: Database
  repository: UsageRecountRepository
  counts: Pick<UsageRepository, 'add'>
  /** One gateway does it for all. */
  turn: { take(): Promise<boolean>; keep(): Promise<boolean>; leave(forMs: number): Promise<void> }
  /** How long what is counted is kept, in ms. */
  keep: { messages: number; deliveries: number }
  metrics: Metrics
  /** By which messages are dated. */
  clock: Clock
  log: Logger
}

/** What a day came to. */
export interface Recounted {
  day: Day
  corrections: UsageCount[]
}

const EVERY_MS = 600_000
/** What is stored late, such as what waited for its node, has mostly come by then. */
const SETTLED_MS = 3_600_000
/** Days that no gateway saw the end of are made up for, as far back as this. */
const MOST_DAYS = 7
const NOTES_DAYS = 40

export class UsageRecount implements Service {
  private readonly rounds: Rounds
  private readonly corrected: Counter

  constructor(private readonly options: UsageRecountOptions) {
    this.rounds = new Rounds({
      round: () => this.recountDue(options.clock()).then(() => undefined),
      restMs: EVERY_MS,
      // A process that has just started has other things to do.
      restFirst: true,
      onFailed: (err) => options.log.warn({ err }, 'usage.not_recounted'),
    })
    this.corrected = options.metrics.counter({
      name: 'switchboard_usage_corrections_total',
      help: 'Numbers of usage that the nightly recount found to be wrong, and corrected.',
    })
  }

  start(): Promise<void> {
    return this.rounds.start()
  }

  stop(): Promise<void> {
    return this.rounds.stop()
  }

  /** Days that are over and were not recounted. Answers undefined when it is another gateway's turn. */
  async recountDue(now: number): Promise<Recounted[] | undefined> {
    const { repository, turn } = this.options
    if (!(await turn.take())) return undefined
    const done: Recounted[] = []
    let whole = true
    for (const day of await this.due(now)) {
      const recounted = await this.recountDay(day, now)
      whole = recounted !== undefined
      if (!recounted) break
      await repository.markRecounted(day, now)
      done.push(recounted)
    }
    await repository.forgetDaysBefore(dayOf(now - NOTES_DAYS * DAY_MS))
    await turn.leave(whole ? EVERY_MS / 2 : 0)
    return done
  }

  private async due(now: number): Promise<Day[]> {
    const last = dayOf(now - SETTLED_MS - DAY_MS)
    const days = Array.from({ length: MOST_DAYS }, (_, ago) => dayOf(startOf(last) - ago * DAY_MS)).reverse()
    const recounted = await this.options.repository.recountedSince(days[0] as Day)
    return days.filter((day) => !recounted.has(day))
  }

  /** Undefined when some of it has to be done again. What is kept of the day no more is left as it is. */
  private async recountDay(day: Day, now: number): Promise<Recounted | undefined> {
    const { keep, log } = this.options
    const began = performance.now()
    const isKept = (ms: number) => startOf(day) > now - ms
    const corrections: UsageCount[] = []
    if (isKept(keep.messages) && !(await this.recountMessages(day, corrections))) return undefined
    if (isKept(keep.deliveries)) await this.recountDeliveries(day, corrections)
    const tookMs = Math.round(performance.now() - began)
    log.info({ day, corrections: corrections.length, tookMs }, 'usage.recounted')
    return { day, corrections }
  }

  private async recountMessages(day: Day, corrections: UsageCount[]): Promise<boolean> {
    const { repository, turn, log } = this.options
    const after = await repository.positionBefore(day)
    let isWhole = true
    for (let last = ''; ;) {
      const sessions = await repository.sessionsAfter(last)
      for (const session of sessions) {
        if (this.rounds.signal.aborted || !(await turn.keep())) return false
        try {
          await this.correct(await repository.messageDrift(session, day, after), corrections)
        } catch (err) {
          // The others need not wait for it.
          log.warn({ err, session: session.id, day }, 'usage.not_recounted')
          isWhole = false
        }
      }
      const next = sessions.at(-1)
      if (!next) return isWhole
      last = next.id
    }
  }

  /** Upwards only: deliveries go with a webhook that is deleted, before their time. */
  private async recountDeliveries(day: Day, corrections: UsageCount[]): Promise<void> {
    const { repository } = this.options
    const missing = new UsageSum()
    const kept = await repository.deliveries(day)
    for (const count of kept) missing.add(count)
    for (const tenantId of new Set(kept.map((count) => count.tenantId))) {
      const stored = await repository.storedDeliveries(tenantId, day)
      for (const count of stored) missing.add({ ...count, amount: -count.amount })
    }
    await this.correct(
      missing.counts().filter(({ amount }) => amount > 0),
      corrections,
    )
  }

  private async correct(drift: UsageCount[], corrections: UsageCount[]): Promise<void> {
    if (drift.length === 0) return
    const { db, counts, log } = this.options
    const sum = new UsageSum()
    for (const count of drift) sum.add(count)
    await db.write((tx) => counts.add(tx, sum.counts()))
    for (const { tenantId, sessionId, day, metric, amount } of drift) {
      log.warn({ tenant: tenantId, session: sessionId, day, metric, difference: amount }, 'usage.corrected')
      this.corrected.inc()
    }
    corrections.push(...drift)
  }
}
