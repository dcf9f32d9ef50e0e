/** Runs one piece of work after the other, in the order they came. */
export class Serial {
  private last: Promise<unknown> = Promise.resolve()

  run<Result>(work: () => Promise<Result>): Promise<Result> {
    const result = this.last.then(work)
    // Told to its caller; the next one begins either way.
    this.last = result.catch(() => undefined)
    return result
  }
}
