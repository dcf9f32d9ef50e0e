import { type RateLimiterAbstract, RateLimiterMemory, RateLimiterRedis, RateLimiterRes } from 'rate-limiter-flexible'
import type { RedisConnection } from './redis-connection.js'

/** How far a limit is used. */
export interface Allowance {
  passes: boolean
  limit: number
  windowSeconds: number
  remaining: number
  /** Until it begins anew. */
  resetMs: number
}

export interface RateLimiterOptions {
  name: string
  windowSeconds: number
  /** Where gateways count together; each for itself without, and while it is away. */
  redis?: RedisConnection | undefined
}

interface Limiters {
  own: RateLimiterAbstract
  shared: RateLimiterAbstract | undefined
}

/** Each is a handful of objects: there are as many as tenants and keys have different limits. */
const MOST_LIMITERS = 1_000

/** Counts, for each of many, what happens in a window of time that begins with the first of it. */
export class RateLimiter {
  private readonly byLimit = new Map<number, Limiters>()

  constructor(private readonly options: RateLimiterOptions) {}

  async take(key: string, limit: number): Promise<Allowance> {
    const { own, shared } = this.limiters(limit)
    const { redis } = this.options
    if (redis && shared && redis.canBeAsked()) {
      try {
        const allowance = await this.consume(shared, key, limit)
        redis.worked()
        return allowance
      } catch (err) {
        redis.failed(err)
      }
    }
    return this.consume(own, key, limit)
  }

  private async consume(limiter: RateLimiterAbstract, key: string, limit: number): Promise<Allowance> {
    try {
      return this.allowance(true, limit, await limiter.consume(key))
    } catch (thrown) {
      if (thrown instanceof RateLimiterRes) return this.allowance(false, limit, thrown)
      throw thrown
    }
  }

  private allowance(passes: boolean, limit: number, { consumedPoints, msBeforeNext }: RateLimiterRes): Allowance {
    const { windowSeconds } = this.options
    return {
      ...{ passes, limit, windowSeconds },
      remaining: passes ? Math.max(0, limit - consumedPoints) : 0,
      // The library reckons by the wall clock, which may have been set back.
      resetMs: Math.min(Math.max(msBeforeNext, 0), windowSeconds * 1_000),
    }
  }

  private limiters(limit: number): Limiters {
    const known = this.byLimit.get(limit)
    if (known) return known
    if (this.byLimit.size >= MOST_LIMITERS) this.byLimit.clear()
    const { name, windowSeconds, redis } = this.options
    const settings = { keyPrefix: `limit:${name}`, points: limit, duration: windowSeconds }
    const limiters = {
      own: new RateLimiterMemory(settings),
      // What is used up is refused from memory: who hammers does not get through to Redis.
      shared: redis && new RateLimiterRedis({ ...settings, storeClient: redis.client, inMemoryBlockOnConsumed: limit }),
    }
    this.byLimit.set(limit, limiters)
    return limiters
  }
}
