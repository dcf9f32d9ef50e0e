import type { TenantId } from '../../proto/contract.js'
import { AppError } from '../../runtime/app-error.js'
import type { ApiKey } from '../tenants/api-key.js'
import type { TenantLimits } from '../tenants/tenant.js'
import type { Allowance, RateLimiter } from './rate-limiter.js'

export interface RequestLimitsOptions {
  /** By the minute. */
  limiters: { key: RateLimiter; tenant: RateLimiter }
  limits: (tenantId: TenantId) => Promise<Pick<TenantLimits, 'requestsPerMinute'>>
  /** For the metrics. */
  onRefused: (kind: 'key' | 'tenant') => void
}

/** How far the limits of a request are used, and whether it exceeds one. */
export interface Standing {
  headers: Record<string, string>
  refusal?: AppError
}

type Named = Allowance & { name: 'key' | 'tenant' }

const names = { key: 'this API key', tenant: 'all keys of this tenant together' } as const

/** Requests per minute: of each key, and of all keys of a tenant together. */
export class RequestLimits {
  constructor(private readonly options: RequestLimitsOptions) {}

  async count(key: Pick<ApiKey, 'id' | 'tenantId' | 'requestsPerMinute'>): Promise<Standing> {
    const { limiters, limits, onRefused } = this.options
    const tenant = await limits(key.tenantId)
    const wanted = [
      // First: what a key has too much must not be taken from the others of its tenant.
      { name: 'key' as const, id: key.id, limit: key.requestsPerMinute },
      { name: 'tenant' as const, id: key.tenantId, limit: tenant.requestsPerMinute },
    ]
    const counted: Named[] = []
    for (const { name, id, limit } of wanted) {
      if (limit === null) continue
      const allowance = { name, ...(await limiters[name].take(id, limit)) }
      counted.push(allowance)
      if (allowance.passes) continue
      onRefused(name)
      return { headers: headersOf(counted), refusal: refusal(allowance) }
    }
    return { headers: headersOf(counted) }
  }
}

/** As draft-ietf-httpapi-ratelimit-headers has them. */
function headersOf(counted: readonly Named[]): Record<string, string> {
  if (counted.length === 0) return {}
  const list = (parameters: (one: Named) => string) =>
    counted.map((one) => `"${one.name}";${parameters(one)}`).join(', ')
  return {
    'RateLimit-Policy': list(({ limit, windowSeconds }) => `q=${limit};w=${windowSeconds}`),
    RateLimit: list(({ remaining, resetMs }) => `r=${remaining};t=${Math.ceil(resetMs / 1_000)}`),
  }
}

function refusal({ name, limit, resetMs }: Named): AppError {
  return new AppError('rate_limited', `No more than ${limit} requests a minute with ${names[name]}.`, {
    retryAfterMs: resetMs,
  })
}
