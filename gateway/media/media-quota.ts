/** How much a tenant may keep: counted in the transaction that keeps a file, however many ask at once. */
import type { TenantId } from '../../proto/contract.js'
import { AppError } from '../../runtime/app-error.js'
import type { Clock } from '../../runtime/clock.js'
import { newId } from '../../runtime/ids.js'
import type { Database, Tx } from '../db/database.js'
import type { NewEvent } from '../events/event.js'
import type { TenantLimits } from '../tenants/tenant.js'
import type { MediaTotals, MediaTotalsRepository } from './media-totals-repository.js'

export interface MediaQuotaOptions {
  db: Database
  repository: MediaTotalsRepository
  limits: (tenantId: TenantId) => Promise<Pick<TenantLimits, 'mediaBytes'>>
  addEvents: (tx: Tx, events: readonly NewEvent[], now: number) => Promise<unknown>
  /** Events were stored. */
  onTold: () => void
  /** There may be room for what had to wait. */
  onFreed: () => void
  clock: Clock
}

export interface MediaState {
  files: number
  bytes: number
  /** null: as much as there is. */
  limit: number | null
}

/** What a tenant is told, in this order. */
const types = ['quota.warning', 'quota.reached'] as const
const WARNING = 0.8

export class MediaQuota {
  constructor(private readonly options: MediaQuotaOptions) {}

  async limitOf(tenantId: TenantId): Promise<number | null> {
    return (await this.options.limits(tenantId)).mediaBytes
  }

  async state(tenantId: TenantId): Promise<MediaState> {
    const { files, bytes } = await this.options.repository.find(tenantId)
    return { files, bytes, limit: await this.limitOf(tenantId) }
  }

  /** Before anything is done for a file. Throws `storage_full` (`media_quota_exceeded`). */
  async check(tenantId: TenantId, size: number): Promise<void> {
    const limit = await this.limitOf(tenantId)
    if (limit === null) return
    const totals = await this.options.repository.find(tenantId)
    if (totals.bytes + size <= limit) return
    await this.tellReached(tenantId, totals, limit)
    throw refusal(limit, totals.bytes)
  }

  /**
   * Does what stores a file, if there is room. Nothing that `store` locks may be locked before; what is worth telling is
   * told last, because whoever stores events locks their counter. Throws as `check`.
   */
  async taking<Result>(
    tx: Tx,
    { tenantId, size, limit }: { tenantId: TenantId; size: number; limit: number | null },
    store: () => Promise<Result>,
  ): Promise<Result> {
    const { repository } = this.options
    const { fits, totals } = await repository.take(tx, tenantId, size, limit ?? Number.MAX_SAFE_INTEGER)
    if (!fits) throw refusal(limit ?? 0, totals.bytes)
    const result = await store()
    if (limit === null) return result
    const due = totals.bytes >= limit ? 2 : totals.bytes >= limit * WARNING ? 1 : 0
    if (due > totals.told) await this.tell(tx, tenantId, totals, due, limit)
    // There was more room meanwhile: the next time is news again.
    else if (due === 0 && totals.told > 0) await repository.setTold(tx, tenantId, totals.told, 0)
    return result
  }

  /** Locks what `giveBack` changes. */
  lock(tx: Tx, tenants: readonly TenantId[]): Promise<void> {
    return this.options.repository.lock(tx, tenants)
  }

  async giveBack(tx: Tx, tenantId: TenantId, freed: { files: number; bytes: number }): Promise<void> {
    await this.options.repository.giveBack(tx, tenantId, freed)
    this.options.db.afterCommit(tx, this.options.onFreed)
  }

  private async tellReached(tenantId: TenantId, totals: MediaTotals, limit: number): Promise<void> {
    if (totals.told >= types.length) return
    await this.options.db.write((tx) => this.tell(tx, tenantId, totals, types.length, limit))
  }

  private async tell(tx: Tx, tenantId: TenantId, totals: MediaTotals, due: number, limit: number): Promise<void> {
    const { db, repository, addEvents, onTold, clock } = this.options
    if (!(await repository.setTold(tx, tenantId, totals.told, due))) return
    const at = clock()
    const data = { quota: 'mediaBytes', used: totals.bytes, limit }
    const news = types.slice(totals.told, due).map((type): NewEvent => ({ id: newId('evt'), tenantId, at, type, data }))
    await addEvents(tx, news, at)
    db.afterCommit(tx, onTold)
  }
}

export function isOverQuota(error: unknown): boolean {
  return error instanceof AppError && error.reason === 'media_quota_exceeded'
}

function refusal(limit: number, bytes: number): AppError {
  const mib = (value: number) => `${Math.floor(value / 2 ** 20)} MiB`
  return new AppError(
    'storage_full',
    `The file does not fit: ${mib(bytes)} of ${mib(limit)} are used. Delete files, or wait until old ones are removed.`,
    { reason: 'media_quota_exceeded' },
  )
}
