import { unavailable } from './database-errors.js'

/** At most so many at once; who waits too long for a turn is told that the database does not answer. */
export class Permits {
  private readonly waiting: (() => void)[] = []

  constructor(
    private free: number,
    private readonly waitMs: number,
  ) {}

  async run<Result>(work: () => Promise<Result>): Promise<Result> {
    if (this.free > 0) this.free -= 1
    else await this.turn()
    try {
      return await work()
    } finally {
      const next = this.waiting.shift()
      if (next) next()
      else this.free += 1
    }
  }

  private turn(): Promise<void> {
    return new Promise((resolve, reject) => {
      const taken = () => {
        clearTimeout(timer)
        resolve()
      }
      const timer = setTimeout(() => {
        this.waiting.splice(this.waiting.indexOf(taken), 1)
        reject(unavailable(new Error(`no database connection was free for ${this.waitMs} ms`)))
      }, this.waitMs)
      this.waiting.push(taken)
    })
  }
}
