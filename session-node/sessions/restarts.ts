import type { Clock } from '../../runtime/clock.js'
import type { Timing } from './timing.js'

export interface Restart {
  waitMs: number
  /** How many in a row. */
  attempt: number
  /** Too many of late: a long pause, and someone should know. */
  broken: boolean
}

/**
 * When a session that died comes back: soon, then less and less often, but always. When it dies again and again, a
 * breaker makes a long pause before each further trial.
 */
export class Restarts {
  private attempt = 0
  private recent: number[] = []
  private connectedAt: number | undefined
  private broken = false

  constructor(
    private readonly timing: Pick<Timing, 'backoffMs' | 'healthyAfterMs' | 'breaker'>,
    private readonly clock: Clock,
    private readonly random: () => number = Math.random,
  ) {}

  connected(): void {
    this.connectedAt = this.clock()
  }

  /** Somebody asked for a start: what was before does not count. */
  reset(): void {
    this.attempt = 0
    this.recent = []
    this.connectedAt = undefined
    this.broken = false
  }

  next(): Restart {
    const { backoffMs, healthyAfterMs, breaker } = this.timing
    const now = this.clock()
    if (this.connectedAt !== undefined && now - this.connectedAt >= healthyAfterMs) this.reset()
    this.connectedAt = undefined
    this.recent = [...this.recent.filter((at) => now - at < breaker.withinMs), now]
    this.attempt += 1
    // Once broken, each trial that fails is followed by the long pause again.
    this.broken ||= this.recent.length >= breaker.restarts
    const { broken } = this
    const base = broken ? breaker.pauseMs : Math.min(backoffMs.most, backoffMs.first * 2 ** (this.attempt - 1))
    return { waitMs: Math.round(base * (0.8 + 0.4 * this.random())), attempt: this.attempt, broken }
  }
}
