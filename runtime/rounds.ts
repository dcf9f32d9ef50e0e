import { Bell } from './bell.js'
import type { Service } from './lifecycle.js'

export interface RoundsOptions {
  round: (signal: AbortSignal) => Promise<void>
  restMs: number
  /** Rests before the first round, too. */
  restFirst?: boolean
  /** A round that fails ends none of those that follow. `isNew`: the one before did not fail. */
  onFailed: (err: unknown, isNew: boolean) => void
}

/** Work that is done round after round until it is stopped. A wake ends the rest, or spares the next one. */
export class Rounds implements Service {
  private stopping = new AbortController()
  private running: Promise<void> = Promise.resolve()
  private isWoken = false
  private hasFailed = false
  private readonly bell = new Bell()

  constructor(private readonly options: RoundsOptions) {}

  /** Fires when it is being stopped. */
  get signal(): AbortSignal {
    return this.stopping.signal
  }

  start(): Promise<void> {
    this.stopping = new AbortController()
    this.running = this.run(this.stopping.signal)
    return Promise.resolve()
  }

  /** Resolves once the round under way is over. */
  async stop(): Promise<void> {
    this.stopping.abort()
    await this.running
  }

  wake(): void {
    this.isWoken = true
    this.bell.ring()
  }

  private async run(signal: AbortSignal): Promise<void> {
    const { round, restMs, restFirst = false, onFailed } = this.options
    if (restFirst) await this.bell.wait(restMs, signal)
    while (!signal.aborted) {
      this.isWoken = false
      try {
        await round(signal)
        this.hasFailed = false
      } catch (err) {
        onFailed(err, !this.hasFailed)
        this.hasFailed = true
      }
      if (!this.isWoken) await this.bell.wait(restMs, signal)
    }
  }
}
