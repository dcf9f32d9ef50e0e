/** Counts what happens, so that a reader can wait for the next thing instead of for a time. */
export class Changes {
  #count = 0
  #waiting = new Set<() => void>()

  get count(): number {
    return this.#count
  }

  note(): void {
    this.#count += 1
    for (const wake of this.#waiting) wake()
    this.#waiting.clear()
  }

  /** Resolves with the count once it is beyond `seen`, or as it is after `timeoutMs`. */
  async after(seen: number, timeoutMs: number): Promise<number> {
    if (this.#count <= seen) {
      await new Promise<void>((resolve) => {
        const wake = () => {
          clearTimeout(timer)
          resolve()
        }
        const timer = setTimeout(() => {
          this.#waiting.delete(wake)
          resolve()
        }, timeoutMs)
        this.#waiting.add(wake)
      })
    }
    return this.#count
  }

  /** Wakes all who wait, for the end. */
  release(): void {
    this.note()
  }
}
