import { sleep } from '../../runtime/clock.js'

/** Lets so many launches through at once, so far apart: a node full of browsers comes back without choking. */
export class LaunchGate {
  private free: number
  private readonly line: (() => void)[] = []
  private lastAt = Number.NEGATIVE_INFINITY

  constructor(
    private readonly atOnce: number,
    private readonly gapMs: number,
  ) {
    this.free = atOnce
  }

  get isFree(): boolean {
    return this.free > 0
  }

  /** Resolves when it is this one's turn, to the way to leave; to undefined when the signal fires first. */
  async enter(signal: AbortSignal): Promise<(() => void) | undefined> {
    if (!(await this.turn(signal))) return undefined
    // Nobody else is launching or waits to: one that is started alone, by a person, need not wait.
    const alone = this.free === this.atOnce - 1 && this.line.length === 0
    const wait = alone ? 0 : this.lastAt + this.gapMs - performance.now()
    this.lastAt = performance.now() + Math.max(0, wait)
    let left = false
    const leave = () => {
      if (left) return
      left = true
      this.free += 1
      this.next()
    }
    if (wait > 0) await sleep(wait, signal)
    if (!signal.aborted) return leave
    leave()
    return undefined
  }

  private async turn(signal: AbortSignal): Promise<boolean> {
    while (this.free === 0 && !signal.aborted) {
      await new Promise<void>((resolve) => {
        const done = () => {
          signal.removeEventListener('abort', done)
          const at = this.line.indexOf(done)
          if (at >= 0) this.line.splice(at, 1)
          resolve()
        }
        this.line.push(done)
        signal.addEventListener('abort', done)
      })
    }
    // Taken in the same breath as it was seen: two that were woken together must not take one place.
    if (signal.aborted) {
      if (this.free > 0) this.next()
      return false
    }
    this.free -= 1
    return true
  }

  private next() {
    this.line[0]?.()
  }
}
