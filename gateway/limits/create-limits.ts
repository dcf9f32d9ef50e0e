/** What keeps one tenant, or a stranger, from hurting the others; part of the composition root. */
import type { TenantId } from '../../proto/contract.js'
import { inOrder, type Service } from '../../runtime/lifecycle.js'
import type { Logger } from '../../runtime/log.js'
import type { Metrics } from '../../runtime/metrics.js'
import type { Admission } from '../tenants/admission.js'
import { type TenantLimits, UNLIMITED } from '../tenants/tenant.js'
import type { Tenants } from '../tenants/tenants.js'
import { FailedAuthentications } from './failed-authentications.js'
import { type LimitKind, refusalMetrics } from './limit-metrics.js'
import { LimitedAdmission } from './limited-admission.js'
import { RateLimiter } from './rate-limiter.js'
import { RedisConnection } from './redis-connection.js'
import { RequestLimits } from './request-limits.js'

export interface CreateLimitsOptions {
  /** Where several gateways count together. */
  redisUrl: string | undefined
  /** From one address; as many as it likes unless given. */
  authFailuresPerMinute: number | undefined
  admission: Admission
  tenants: Pick<Tenants, 'find'>
  metrics: Metrics
  log: Logger
}

export interface Limits extends Service {
  /** What a tenant may use, as it was a few seconds ago. */
  of: (tenantId: TenantId) => Promise<TenantLimits>
  admission: LimitedAdmission
  onRefused: (kind: LimitKind) => void
}

const WINDOW_SECONDS = 60

export function createLimits(options: CreateLimitsOptions): Limits {
  const { redisUrl, authFailuresPerMinute, metrics, log } = options
  const redis = redisUrl === undefined ? undefined : new RedisConnection({ url: redisUrl, metrics, log })
  const onRefused = refusalMetrics(metrics)
  const limiter = (name: LimitKind) => new RateLimiter({ name, windowSeconds: WINDOW_SECONDS, redis })
  const failures = authFailuresPerMinute
    ? new FailedAuthentications({
        limiter: limiter('address'),
        limit: authFailuresPerMinute,
        onRefused: () => onRefused('address'),
        log,
      })
    : undefined
  const of = async (tenantId: TenantId) => (await options.tenants.find(tenantId))?.limits ?? UNLIMITED
  const requests = new RequestLimits({
    limiters: { key: limiter('key'), tenant: limiter('tenant') },
    limits: of,
    onRefused,
  })
  return {
    ...inOrder(...(redis ? [redis] : [])),
    of,
    admission: new LimitedAdmission(options.admission, failures, requests),
    onRefused,
  }
}
