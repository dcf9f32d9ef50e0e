/** Whose turn it is to do what one gateway does for all on one database, such as trimming. */
import type { Clock } from '../../runtime/clock.js'
import type { Database } from '../db/database.js'
import { change } from '../db/rows.js'
import { raiseCounter } from './named-counters.js'

/** A gateway that is gone keeps the others waiting this long. */
const LEASE_MS = 300_000

/** A counter that holds until when the turn is taken. Whoever finds another value in it than its own has lost the turn. */
export class RetentionTurn {
  private until = 0

  constructor(
    private readonly db: Database,
    private readonly clock: Clock,
    private readonly name = 'retention_turn',
  ) {}

  /** False while another gateway has it, or had it lately. */
  take(): Promise<boolean> {
    return this.db.write(async (tx) => {
      await raiseCounter(tx, this.name, 0)
      const now = this.clock()
      const until = now + LEASE_MS
      const sql = 'UPDATE counters SET value = ? WHERE name = ? AND value <= ?'
      if ((await change(tx, sql, [until, this.name, now])) !== 1) return false
      this.until = until
      return true
    })
  }

  /** False when it was lost. */
  keep(): Promise<boolean> {
    const until = this.clock() + LEASE_MS
    // A third of the time is over before it is worth a write.
    if (until - this.until < LEASE_MS / 3) return Promise.resolve(true)
    return this.moveTo(until)
  }

  /** Nobody needs to do it again for so long. */
  async leave(forMs: number): Promise<void> {
    await this.moveTo(this.clock() + forMs)
  }

  private async moveTo(until: number): Promise<boolean> {
    const sql = 'UPDATE counters SET value = ? WHERE name = ? AND value = ?'
    const kept = (await this.db.write((tx) => change(tx, sql, [until, this.name, this.until]))) === 1
    if (kept) this.until = until
    return kept
  }
}
