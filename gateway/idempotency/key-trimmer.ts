import { type Clock, sleep } from '../../runtime/clock.js'
import type { Service } from '../../runtime/lifecycle.js'
import type { Logger } from '../../runtime/log.js'
import type { Database } from '../db/database.js'
import type { IdempotencyKeyRepository } from './idempotency-key-repository.js'

const EVERY_MS = 600_000
const AT_ONCE = 500

/** Removes keys whose time is over, and ends what a gateway that was killed had begun. */
export class KeyTrimmer implements Service {
  private stopping = new AbortController()
  private loop: Promise<void> = Promise.resolve()

  constructor(
    private readonly options: {
      db: Pick<Database, 'dialect'>
      repository: IdempotencyKeyRepository
      clock: Clock
      log: Logger
    },
  ) {}

  async start(): Promise<void> {
    const { db, repository } = this.options
    // SQLite has one gateway: whoever held a claim is gone, and its lease need not be waited for.
    if (db.dialect === 'sqlite') await repository.endLeases()
    this.stopping = new AbortController()
    this.loop = this.run(this.stopping.signal)
  }

  async stop(): Promise<void> {
    this.stopping.abort()
    await this.loop
  }

  /** One round. */
  async trim(): Promise<void> {
    const { repository, clock } = this.options
    while (!this.stopping.signal.aborted && (await repository.trim(clock(), AT_ONCE)) === AT_ONCE) continue
  }

  private async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await this.trim().catch((err: unknown) => this.options.log.warn({ err }, 'idempotency.not_trimmed'))
      await sleep(EVERY_MS, signal)
    }
  }
}
