import { sleep } from '../../runtime/clock.js'

/** Lets `size` through at once, and then one every `everyMs`. */
export class Bucket {
  private tokens: number
  private filledAt: number

  constructor(
    private readonly size: number,
    private readonly everyMs: number,
    private readonly now: () => number = () => performance.now(),
  ) {
    this.tokens = size
    this.filledAt = now()
  }

  /** Waits for its turn; ends early when the signal fires. */
  async take(signal: AbortSignal): Promise<void> {
    const waitMs = this.reserve()
    if (waitMs > 0) await sleep(waitMs, signal)
  }

  /** Takes a token that may not be there yet; answers how long until it is. */
  reserve(): number {
    const now = this.now()
    this.tokens = Math.min(this.size, this.tokens + (now - this.filledAt) / this.everyMs)
    this.filledAt = now
    this.tokens -= 1
    return this.tokens >= 0 ? 0 : -this.tokens * this.everyMs
  }
}
