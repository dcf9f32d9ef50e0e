/** Wakes all who wait. One timer and one listener per wait, and none left behind: some wait many times a second for days. */
export class Bell {
  private readonly waiting = new Set<() => void>()

  ring(): void {
    for (const wake of [...this.waiting]) wake()
  }

  /** True when it rang, or the signal fired; false when neither was so in time. */
  wait(ms: number, signal?: AbortSignal): Promise<boolean> {
    if (signal?.aborted) return Promise.resolve(true)
    return new Promise((resolve) => {
      const done = (rang: boolean) => {
        clearTimeout(timer)
        this.waiting.delete(wake)
        signal?.removeEventListener('abort', wake)
        resolve(rang)
      }
      const wake = () => done(true)
      const timer = setTimeout(() => done(false), ms)
      this.waiting.add(wake)
      signal?.addEventListener('abort', wake)
    })
  }
}
