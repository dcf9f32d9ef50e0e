interface Read<Result> {
  result: Promise<Result>
  begun: boolean
  /** For who asks once it has begun. */
  next?: Promise<Result>
}

/**
 * Reads of the same thing at the same time are one read. Whoever asks gets what was read after they asked, never what was
 * on its way before: nothing is kept.
 */
export class JoinedReads<Result> {
  private readonly running = new Map<string, Read<Result>>()

  read(key: string, load: () => Promise<Result>): Promise<Result> {
    const running = this.running.get(key)
    if (!running) return this.start(key, load)
    if (!running.begun) return running.result
    // It may have read already: the next begins when it ends, for all who ask until then.
    const again = () => this.start(key, load)
    running.next ??= running.result.then(again, again)
    return running.next
  }

  private start(key: string, load: () => Promise<Result>): Promise<Result> {
    // At the end of this turn of the event loop, so that requests that came in together join.
    const result = new Promise<void>((resolve) => setImmediate(resolve)).then(() => {
      read.begun = true
      return load()
    })
    const read: Read<Result> = { result, begun: false }
    this.running.set(key, read)
    const ended = () => {
      if (this.running.get(key) === read && !read.next) this.running.delete(key)
    }
    result.then(ended, ended)
    return result
  }
}
