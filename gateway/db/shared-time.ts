import type { Clock } from '../../runtime/clock.js'
import { steadyClock } from '../../runtime/steady-clock.js'
import type { Database } from './database.js'

/**
 * The time by which gateways agree on leases, deadlines and when something is due: that of the database at the start of
 * each, where several share one, and evenly on from there. Setting the clock of a machine moves none of them.
 */
export class SharedTime {
  private time: Clock

  constructor(
    private readonly db: Database,
    private readonly given?: Clock,
  ) {
    this.time = given ?? steadyClock()
  }

  readonly now: Clock = () => this.time()

  /** After the database. */
  async start(): Promise<void> {
    if (this.given || this.db.dialect !== 'mysql') return
    const [row] = await this.db.read<{ now: number | string }[]>((reader) =>
      reader.query('SELECT ROUND(UNIX_TIMESTAMP(CURRENT_TIMESTAMP(3)) * 1000) AS now'),
    )
    const now = Number(row?.now)
    this.time = steadyClock(() => now)
  }

  stop(): Promise<void> {
    return Promise.resolve()
  }
}
