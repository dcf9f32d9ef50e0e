import { createHash } from 'node:crypto'
import { AppError } from '../../runtime/app-error.js'
import type { Logger } from '../../runtime/log.js'
import type { ApiKey } from '../tenants/api-key.js'
import { addressGroup } from './address-group.js'
import type { RateLimiter } from './rate-limiter.js'

export interface FailedAuthenticationsOptions {
  limiter: RateLimiter
  /** So many keys may be wrong from one address in a window. */
  limit: number
  /** For the metrics. */
  onRefused: () => void
  log: Logger
}

const GOOD_MS = 3_600_000
const MOST_KNOWN = 10_000

/**
 * Who tries out keys is refused before anything is looked up for it, until its window is over. A key that was good from
 * there a while ago goes on being let in: behind one address there may be a whole office, with one broken program in it.
 */
export class FailedAuthentications {
  /** Until when, by the steady clock. */
  private readonly refused = new Map<string, number>()
  private readonly good = new Map<string, number>()
  /** Addresses with the keys that were good from there, by what is stored of these. */
  private readonly noted = new Map<string, number>()

  constructor(private readonly options: FailedAuthenticationsOptions) {}

  /** Throws `rate_limited` (`too_many_failures`). */
  check(address: string, text: string): void {
    if (this.refused.size === 0) return
    const now = performance.now()
    const group = addressGroup(address)
    const until = this.refused.get(group)
    if (until === undefined) return
    if (until <= now) return void this.refused.delete(group)
    if ((this.good.get(digest(group, text)) ?? 0) > now) return
    this.options.onRefused()
    throw new AppError('rate_limited', 'Too many requests from this address had keys that are not valid.', {
      reason: 'too_many_failures',
      retryAfterMs: until - now,
    })
  }

  async failed(address: string): Promise<void> {
    const group = addressGroup(address)
    const { remaining, resetMs } = await this.options.limiter.take(group, this.options.limit)
    if (remaining > 0) return
    const now = performance.now()
    const isNew = (this.refused.get(group) ?? 0) <= now
    if (isNew) this.options.log.warn({ address: group }, 'authentication.address_refused')
    keep(this.refused, group, now + resetMs)
  }

  passed(address: string, { hash }: Pick<ApiKey, 'hash'>, text: string): void {
    const now = performance.now()
    const name = `${address} ${hash}`
    if ((this.noted.get(name) ?? 0) > now) return
    keep(this.noted, name, now + GOOD_MS / 2)
    keep(this.good, digest(addressGroup(address), text), now + GOOD_MS)
  }
}

/** The oldest one goes when there are too many. */
function keep(kept: Map<string, number>, key: string, until: number): void {
  kept.delete(key)
  kept.set(key, until)
  if (kept.size <= MOST_KNOWN) return
  const [oldest] = kept.keys()
  if (oldest !== undefined) kept.delete(oldest)
}

function digest(group: string, text: string): string {
  return createHash('sha256').update(`${group} ${text}`).digest('base64')
}
