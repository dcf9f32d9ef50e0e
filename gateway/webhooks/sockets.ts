/** How many requests go out at once, over all webhooks: those that have been failing share a part, so that room is left. */
export class Sockets {
  private readonly waiting = { well: [] as (() => void)[], ill: [] as (() => void)[] }
  private readonly used = { well: 0, ill: 0 }

  constructor(
    private readonly most: number,
    private readonly mostIll = Math.ceil(most / 2),
  ) {}

  async run<Result>(isIll: boolean, work: () => Promise<Result>): Promise<Result> {
    const kind = isIll ? 'ill' : 'well'
    if (!this.isFree(kind)) await new Promise<void>((resolve) => this.waiting[kind].push(resolve))
    else this.used[kind] += 1
    try {
      return await work()
    } finally {
      this.used[kind] -= 1
      this.admit()
    }
  }

  private isFree(kind: 'well' | 'ill'): boolean {
    if (this.used.well + this.used.ill >= this.most) return false
    return kind === 'well' || this.used.ill < this.mostIll
  }

  private admit(): void {
    for (const kind of ['well', 'ill'] as const) {
      while (this.waiting[kind].length > 0 && this.isFree(kind)) {
        this.used[kind] += 1
        this.waiting[kind].shift()?.()
      }
    }
  }
}
