import type { Clock } from '../../runtime/clock.js'
import type { Service } from '../../runtime/lifecycle.js'
import type { Logger } from '../../runtime/log.js'
import { Rounds } from '../../runtime/rounds.js'
import type { Database } from '../db/database.js'
import type { IdempotencyKeyRepository } from './idempotency-key-repository.js'

const EVERY_MS = 600_000
const AT_ONCE = 500

/** Removes keys whose time is over, and ends what a gateway that was killed had begun. */
export class KeyTrimmer implements Service {
  private readonly rounds: Rounds

  constructor(
    private readonly options: {
      db: Pick<Database, 'dialect'>
      repository: IdempotencyKeyRepository
      clock: Clock
      log: Logger
    },
  ) {
    this.rounds = new Rounds({
      round: () => this.trim(),
      restMs: EVERY_MS,
      onFailed: (err) => options.log.warn({ err }, 'idempotency.not_trimmed'),
    })
  }

  async start(): Promise<void> {
    const { db, repository } = this.options
    // SQLite has one gateway: whoever held a claim is gone, and its lease need not be waited for.
    if (db.dialect === 'sqlite') await repository.endLeases()
    await this.rounds.start()
  }

  stop(): Promise<void> {
    return this.rounds.stop()
  }

  /** One round. */
  async trim(): Promise<void> {
    const { repository, clock } = this.options
    while (!this.rounds.signal.aborted && (await repository.trim(clock(), AT_ONCE)) === AT_ONCE) continue
  }
}
