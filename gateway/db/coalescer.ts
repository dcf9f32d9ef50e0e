import type { EntityManager } from 'typeorm'
import { AppError } from '../../runtime/app-error.js'
import { sleep } from '../../runtime/clock.js'
import type { Database } from './database.js'

export interface CoalescerOptions<Item, Result> {
  db: Pick<Database, 'write'>
  /** Stores all items in one transaction and answers with one result each, in their order. May run more than once. */
  store: (tx: EntityManager, items: Item[]) => Promise<Result[]>
  maxItems?: number
  /** Rest between two rounds, in which the next one gathers: as long as the last one took, within these. */
  lingerMs?: { least: number; most: number }
}

interface Waiting<Item, Result> {
  item: Item
  resolve: (result: Result) => void
  reject: (error: unknown) => void
}

/**
 * Concurrent writes of one kind, committed together: the disk is waited for once. An idle system adds no delay, because
 * the first item starts its round at the end of the current turn of the event loop. When a batch fails, its items are
 * done one by one, so that each caller gets an error only for what is its own.
 */
export class Coalescer<Item, Result> {
  private waiting: Waiting<Item, Result>[] = []
  private running: Promise<void> | undefined

  constructor(private readonly options: CoalescerOptions<Item, Result>) {}

  add(item: Item): Promise<Result> {
    return new Promise((resolve, reject) => {
      this.waiting.push({ item, resolve, reject })
      this.running ??= this.rounds()
    })
  }

  /** Resolves once nothing is waiting. */
  async idle(): Promise<void> {
    while (this.running) await this.running
  }

  private async rounds(): Promise<void> {
    const { maxItems = 200, lingerMs = { least: 2, most: 5 } } = this.options
    await new Promise((resolve) => setImmediate(resolve))
    while (this.waiting.length > 0) {
      const batch = this.waiting.splice(0, maxItems)
      const began = performance.now()
      await this.commit(batch)
      const tookMs = performance.now() - began
      // Who is alone has nobody to wait for, and a full queue need not be waited for.
      if (batch.length === 1 || this.waiting.length >= maxItems) continue
      await sleep(Math.min(lingerMs.most, Math.max(lingerMs.least, tookMs)))
    }
    this.running = undefined
  }

  private async commit(batch: Waiting<Item, Result>[]): Promise<void> {
    try {
      const results = await this.store(batch)
      batch.forEach(({ resolve }, index) => resolve(results[index] as Result))
    } catch (error) {
      // One item has nobody to blame; a database that is away, busy or full would only refuse them all again.
      if (batch.length === 1 || isOutage(error)) return batch.forEach(({ reject }) => reject(error))
      for (const alone of batch) await this.commit([alone])
    }
  }

  private store(batch: Waiting<Item, Result>[]): Promise<Result[]> {
    return this.options.db.write(async (tx) => {
      const items = batch.map(({ item }) => item)
      const results = await this.options.store(tx, items)
      if (results.length !== items.length) throw new Error('store() must answer with one result for each item')
      return results
    })
  }
}

/** Whose items they are makes no difference: each by itself would wait as long again. */
function isOutage(error: unknown): boolean {
  return error instanceof AppError && ['storage_full', 'unavailable', 'timeout'].includes(error.code)
}
