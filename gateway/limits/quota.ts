/** How many messages a tenant may have accepted on one day, and how far it is. No I/O. */
import type { TenantId } from '../../proto/contract.js'

const DAY_MS = 86_400_000
/** A warning comes once this much of a limit is used. */
const WARNING = 0.8

/** Where a tenant stands; without a limit it is not counted. */
export interface QuotaState {
  used: number
  limit: number
  /** ms since the epoch: when it begins anew. */
  resetsAt: number
}

/** What a tenant was told on a day, in this order. */
export type QuotaTold = 'nothing' | 'warning' | 'reached'
export const quotaTold: readonly QuotaTold[] = ['nothing', 'warning', 'reached']

/** Messages that want to be counted, of one tenant. */
export interface Wanted {
  tenantId: TenantId
  limit: number
  count: number
}

/** Days since the epoch, in UTC. */
export function dayOf(at: number): number {
  return Math.floor(at / DAY_MS)
}

export function resetsAt(day: number): number {
  return (day + 1) * DAY_MS
}

/** So many used, a tenant is warned. */
export function warnedFrom(limit: number): number {
  return Math.ceil(limit * WARNING)
}

/** What a tenant has to have been told when so many are used. */
export function toldAt(used: number, limit: number): QuotaTold {
  if (used >= limit) return 'reached'
  return used >= warnedFrom(limit) ? 'warning' : 'nothing'
}
