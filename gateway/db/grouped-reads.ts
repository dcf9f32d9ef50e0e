interface Waiting<Result> {
  resolve: (result: Result | undefined) => void
  reject: (error: unknown) => void
}

/** So many at once: with a database that is slow, those that ask meanwhile are one read more, not many. */
const MOST_RUNNING = 2
const MOST_KEYS = 200

/**
 * Reads of many things at the same time are one read. Whoever asks gets what was read after they asked, never what was on
 * its way before: nothing is kept.
 */
export class GroupedReads<Key extends string, Result> {
  private readonly waiting = new Map<Key, Waiting<Result>[]>()
  private running = 0
  private scheduled = false

  /** `load` answers with what it found, by key. */
  constructor(private readonly load: (keys: Key[]) => Promise<ReadonlyMap<Key, Result>>) {}

  /** Undefined when there is nothing of this key. */
  read(key: Key): Promise<Result | undefined> {
    return new Promise((resolve, reject) => {
      const others = this.waiting.get(key)
      if (others) others.push({ resolve, reject })
      else this.waiting.set(key, [{ resolve, reject }])
      this.schedule()
    })
  }

  /** At the end of this turn of the event loop, so that requests that came in together are read together. */
  private schedule(): void {
    if (this.scheduled || this.running >= MOST_RUNNING) return
    this.scheduled = true
    setImmediate(() => {
      this.scheduled = false
      void this.group()
    })
  }

  private async group(): Promise<void> {
    const group = new Map([...this.waiting].slice(0, MOST_KEYS))
    for (const key of group.keys()) this.waiting.delete(key)
    this.running += 1
    try {
      const found = await this.load([...group.keys()])
      for (const [key, asked] of group) for (const { resolve } of asked) resolve(found.get(key))
    } catch (error) {
      for (const asked of group.values()) for (const { reject } of asked) reject(error)
    } finally {
      this.running -= 1
      if (this.waiting.size > 0) this.schedule()
    }
  }
}
