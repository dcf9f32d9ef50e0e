/**
 * Reads of the same thing at the same time are one read. Whoever asks gets what was read after they asked, never what was
 * on its way before: nothing is kept.
 */
export class JoinedReads<Result> {
  private readonly running = new Map<string, { current: Promise<unknown>; next?: Promise<Result> }>()

  read(key: string, load: () => Promise<Result>): Promise<Result> {
    const entry = this.running.get(key)
    if (!entry) return this.start(key, load)
    // One is under way and may have read already: the next begins when it ends, for all who ask until then.
    entry.next ??= entry.current.then(() => this.start(key, load))
    return entry.next
  }

  private start(key: string, load: () => Promise<Result>): Promise<Result> {
    const result = load()
    const current = result.then(
      () => undefined,
      () => undefined,
    )
    const entry: { current: Promise<unknown>; next?: Promise<Result> } = { current }
    this.running.set(key, entry)
    void current.then(() => {
      if (this.running.get(key) === entry && !entry.next) this.running.delete(key)
    })
    return result
  }
}
