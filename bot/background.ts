import { sleep } from '../runtime/clock.js'
import type { Service } from '../runtime/lifecycle.js'

const GRACE_MS = 2_000

/** Work that goes on after its update is done with, such as waiting for a browser to end. Awaited on stop. */
export class Background implements Service {
  private readonly running = new Set<Promise<void>>()
  private stopping = new AbortController()

  start(): Promise<void> {
    this.stopping = new AbortController()
    return Promise.resolve()
  }

  async stop(): Promise<void> {
    this.stopping.abort()
    const waited = new AbortController()
    await Promise.race([Promise.all(this.running), sleep(GRACE_MS, waited.signal)])
    waited.abort()
  }

  /** The signal fires when the bot stops. Work handles its own failures; what it still throws goes to `failed`. */
  run(work: (signal: AbortSignal) => Promise<void>, failed: (error: unknown) => void | Promise<void>): void {
    const { signal } = this.stopping
    const task: Promise<void> = work(signal)
      .catch((error: unknown) => (signal.aborted ? undefined : failed(error)))
      .finally(() => this.running.delete(task))
    this.running.add(task)
  }
}
