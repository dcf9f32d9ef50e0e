/**
 * Messages per day, counted in the transaction that accepts them: exactly as many are accepted as a tenant may have,
 * however many requests and gateways ask at once.
 */
import type { TenantId } from '../../proto/contract.js'
import { AppError } from '../../runtime/app-error.js'
import type { Clock } from '../../runtime/clock.js'
import { newId } from '../../runtime/ids.js'
import type { Database, Tx } from '../db/database.js'
import type { NewEvent } from '../events/event.js'
import type { TenantLimits } from '../tenants/tenant.js'
import { dayOf, quotaTold, type QuotaState, resetsAt, toldAt, type Wanted, warnedFrom } from './quota.js'
import type { QuotaRepository } from './quota-repository.js'

export interface QuotasOptions {
  db: Database
  repository: QuotaRepository
  limits: (tenantId: TenantId) => Promise<Pick<TenantLimits, 'messagesPerDay'>>
  addEvents: (tx: Tx, events: readonly NewEvent[], now: number) => Promise<unknown>
  /** Events were stored. */
  onTold: () => void
  /** For the metrics. */
  onRefused: () => void
  clock: Clock
  /** By which gateways agree on the day. */
  time: Clock
}

/** A message that wants to be counted. */
export interface Counted {
  tenantId: TenantId
  /** Null is as many as it likes. */
  limit: number | null
}

export interface Taken<Item extends Counted> {
  /** Those that exceed a quota. */
  refused: ReadonlySet<Item>
  /** To be told at the end of the transaction. */
  news: readonly NewEvent[]
}

export class Quotas {
  /** Tenants that have used up this limit on this day: that does not change any more. */
  private readonly usedUp = new Map<TenantId, { day: number; limit: number }>()

  constructor(private readonly options: QuotasOptions) {}

  /** How many messages a tenant may have accepted on a day; null is as many as it likes. */
  async limitOf(tenantId: TenantId): Promise<number | null> {
    return (await this.options.limits(tenantId)).messagesPerDay
  }

  /** Where a tenant stands today; null without a limit. */
  async state(tenantId: TenantId): Promise<QuotaState | null> {
    const limit = await this.limitOf(tenantId)
    if (limit === null) return null
    const day = dayOf(this.options.time())
    const row = await this.options.repository.find(tenantId, day)
    return { used: row?.used ?? 0, limit, resetsAt: resetsAt(day) }
  }

  /** Known without asking: who goes on and on at its limit costs nothing more. */
  isUsedUp({ tenantId, limit }: Counted): boolean {
    const known = this.usedUp.get(tenantId)
    return known !== undefined && known.limit === limit && known.day === dayOf(this.options.time())
  }

  /**
   * Counts what fits, the first ones first. One statement for each tenant with a limit, unless that is near; before
   * everything else that the transaction locks.
   */
  async take<Item extends Counted>(tx: Tx, items: readonly Item[]): Promise<Taken<Item>> {
    const refused = new Set<Item>()
    const news: NewEvent[] = []
    const day = dayOf(this.options.time())
    // Always in the same order, so that two transactions cannot wait for each other.
    for (const [tenantId, own] of [...byTenant(items)].sort(([a], [b]) => (a < b ? -1 : 1))) {
      // Of all that are in force at the moment, as it may just be changing: the one that was looked up last.
      const limit = own.at(-1)?.limit ?? 0
      const taken = await this.takeOne(tx, { tenantId, limit, count: own.length }, day)
      for (const item of own.slice(taken.granted)) refused.add(item)
      news.push(...taken.news)
    }
    return { refused, news }
  }

  /** Stores what `take` found worth telling: last, because whoever stores events locks their counter. */
  async tell(tx: Tx, { news }: Pick<Taken<Counted>, 'news'>): Promise<void> {
    if (news.length === 0) return
    const { db, addEvents, onTold, clock } = this.options
    await addEvents(tx, news, clock())
    db.afterCommit(tx, onTold)
  }

  /** What a message that exceeds a quota is answered. */
  refusal(limit: number | null): AppError {
    const { time, onRefused } = this.options
    onRefused()
    const now = time()
    const resets = resetsAt(dayOf(now))
    const from = new Date(resets).toISOString()
    return new AppError(
      'rate_limited',
      `All ${limit} messages of this day are used up. More are taken from ${from} on.`,
      {
        reason: 'quota_exceeded',
        retryAfterMs: resets - now,
        more: { resetsAt: from },
      },
    )
  }

  private async takeOne(tx: Tx, { tenantId, limit, count }: Wanted, day: number) {
    const { db, repository } = this.options
    const bounds = { unwarned: warnedFrom(limit), warned: limit }
    const all = { granted: count, news: [] }
    if (await repository.countBelow(tx, { tenantId, day, count }, bounds)) return all
    const { used: counted, told } = await repository.count(tx, tenantId, day, count)
    // The first of a day.
    if (counted === count) await repository.forgetBefore(tx, tenantId, day - 1)
    const before = counted - count
    // More than the limit only where it was lowered meanwhile.
    const granted = Math.min(count, Math.max(0, limit - before))
    const used = before + granted
    if (used >= limit) db.afterCommit(tx, () => this.usedUp.set(tenantId, { day, limit }))
    const due = Math.max(told, quotaTold.indexOf(toldAt(used, limit)))
    if (used !== counted || due !== told) await repository.set(tx, tenantId, day, { used, told: due })
    const types = (['quota.warning', 'quota.reached'] as const).slice(told, due)
    const data = { quota: 'messagesPerDay', used, limit, resetsAt: new Date(resetsAt(day)).toISOString() }
    const at = this.options.clock()
    return { granted, news: types.map((type): NewEvent => ({ id: newId('evt'), tenantId, at, type, data })) }
  }
}

function byTenant<Item extends Counted>(items: readonly Item[]): Map<TenantId, Item[]> {
  const tenants = new Map<TenantId, Item[]>()
  for (const item of items) {
    if (item.limit === null) continue
    const own = tenants.get(item.tenantId)
    if (own) own.push(item)
    else tenants.set(item.tenantId, [item])
  }
  return tenants
}
