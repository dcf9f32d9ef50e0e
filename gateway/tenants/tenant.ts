import type { TenantId } from '../../proto/contract.js'
import { AppError } from '../../runtime/app-error.js'
import { isId } from '../../runtime/ids.js'

/** The tenant that is there from the start. */
export const DEFAULT_TENANT: TenantId = 'ten_00000000000000000000000001'

/** What a tenant may use at most; null is as much as there is. */
export interface TenantLimits {
  /** Sessions that exist, whether they run or not. */
  sessions: number | null
  /** Messages that it may have accepted on one day (UTC). */
  messagesPerDay: number | null
  /** Requests with all its keys together. */
  requestsPerMinute: number | null
  /** Bytes of stored files. */
  mediaBytes: number | null
  webhooks: number | null
}

/** `suspended`: its keys are refused and what it has accepted waits. `deleting`: it is being removed with all it has. */
export type TenantStatus = 'active' | 'suspended' | 'deleting'

export interface Tenant {
  id: TenantId
  name: string
  status: TenantStatus
  limits: TenantLimits
  createdAt: Date
}

export const UNLIMITED: TenantLimits = {
  sessions: null,
  messagesPerDay: null,
  requestsPerMinute: null,
  mediaBytes: null,
  webhooks: null,
}

/** Of a tenant that an admin makes without saying more. The one called `default` is unlimited. */
export const DEFAULT_LIMITS: TenantLimits = {
  sessions: 10,
  messagesPerDay: 10_000,
  requestsPerMinute: 600,
  mediaBytes: 5 * 2 ** 30,
  webhooks: 20,
}

export const TENANT_NAME_RULE =
  'must begin with a letter a-z, then up to 39 of a-z, 0-9, _ and -, and not begin with ten_'

export function isTenantName(text: string): boolean {
  // Not like an id: wherever a tenant is named, either of the two may stand.
  return /^[a-z][a-z0-9_-]{0,39}$/.test(text) && !text.startsWith('ten_')
}

export function isTenantId(text: string): text is TenantId {
  return isId('ten', text)
}

export function tenantUnknown(): AppError {
  return new AppError('not_found', 'There is no such tenant.', { reason: 'tenant_unknown' })
}

/** Throws `conflict` (`tenant_deleting`): nothing is made any more for a tenant that goes. */
export function refuseDeleting({ name, status }: Pick<Tenant, 'name' | 'status'>): void {
  if (status !== 'deleting') return
  throw new AppError('conflict', `The tenant ${name} is being deleted.`, { reason: 'tenant_deleting' })
}
