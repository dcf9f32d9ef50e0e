/** More than this of one kind are begun anew. */
const MOST = 10_000

/**
 * What is asked for with every request, believed for a while without asking the database again: at once for all that ask
 * at the same time. What is not there is not remembered, because it may be made in the next moment.
 */
export class Remembered<Key extends string, Found> {
  private readonly known = new Map<Key, { until: number; found: Promise<Found | null> }>()

  /** `trustMs`: so long the change of another gateway may go unseen. */
  constructor(
    private readonly trustMs: number,
    private readonly look: (key: Key) => Promise<Found | null>,
  ) {}

  find(key: Key): Promise<Found | null> {
    const now = performance.now()
    const known = this.known.get(key)
    if (known && known.until > now) return known.found
    if (this.known.size >= MOST) this.known.clear()
    const asked = { until: now + this.trustMs, found: this.look(key) }
    this.known.set(key, asked)
    const forget = () => {
      if (this.known.get(key) === asked) this.known.delete(key)
    }
    asked.found.then((found) => found ?? forget(), forget)
    return asked.found
  }

  /** Something was changed here: that is true at once. After the commit. */
  forget(): void {
    this.known.clear()
  }
}
