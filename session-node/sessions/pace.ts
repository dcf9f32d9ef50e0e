import type { Pacing } from '../../proto/contract.js'
import type { Clock } from '../../runtime/clock.js'
import type { SessionRef } from '../journal/event-log.js'
import type { Sends } from '../journal/sends.js'

const DAY_MS = 86_400_000

/** When a session may send next: a gap with jitter between two messages, and a cap per UTC day. */
export class Pace {
  private last = { at: Number.NEGATIVE_INFINITY, chance: 0 }

  constructor(
    private readonly session: SessionRef,
    private readonly pacing: () => Pacing,
    private readonly sends: Sends,
    private readonly clock: Clock,
  ) {}

  /** How many may be dispatched in one go. */
  burst(): number {
    const { gapMs, jitterMs, messagesPerDay } = this.pacing()
    return gapMs === 0 && jitterMs === 0 && messagesPerDay === 0 ? Number.POSITIVE_INFINITY : 1
  }

  gapLeftMs(): number {
    const { gapMs, jitterMs } = this.pacing()
    return Math.max(0, this.last.at + gapMs + jitterMs * this.last.chance - performance.now())
  }

  /** Until the next day begins, when this one's cap is reached; else 0. */
  capLeftMs(): number {
    const { messagesPerDay } = this.pacing()
    if (messagesPerDay === 0 || this.sends.dispatchedOn(this.session.id, this.today()) < messagesPerDay) return 0
    return DAY_MS - (this.clock() % DAY_MS)
  }

  /** Inside `journal.write`. */
  count(messages: number): void {
    if (this.pacing().messagesPerDay > 0) this.sends.countDispatched(this.session.id, this.today(), messages)
  }

  dispatched(): void {
    this.last = { at: performance.now(), chance: Math.random() }
  }

  private today(): string {
    return new Date(this.clock()).toISOString().slice(0, 10)
  }
}
