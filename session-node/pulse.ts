/** Tells waiters that something changed. What it was they look up themselves, so nothing piles up here. */
export class Pulse {
  private count = 0
  private readonly waiters = new Set<() => void>()

  /** Take it before looking; `since` then misses nothing that happens after the look. */
  get version(): number {
    return this.count
  }

  fire(): void {
    this.count += 1
    for (const wake of [...this.waiters]) wake()
  }

  /** Resolves when it fired after `version`, the signal fires, or the time is over. */
  since(version: number, { signal, ms }: { signal?: AbortSignal; ms?: number } = {}): Promise<void> {
    return new Promise((resolve) => {
      if (this.count !== version || signal?.aborted) return resolve()
      const wake = () => {
        clearTimeout(timer)
        this.waiters.delete(wake)
        signal?.removeEventListener('abort', wake)
        resolve()
      }
      const timer = ms === undefined ? undefined : setTimeout(wake, ms)
      this.waiters.add(wake)
      signal?.addEventListener('abort', wake)
    })
  }
}
