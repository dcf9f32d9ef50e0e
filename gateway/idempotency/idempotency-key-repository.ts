import { type EntityManager, In, LessThanOrEqual } from 'typeorm'
import type { Database } from '../db/database.js'
import { inList, insertRows, selectRows } from '../db/rows.js'
import type { IdempotencyKey, StoredAnswer } from './idempotency-key.js'
import { type IdempotencyKeyRow, idempotencyKeyTable } from './idempotency-key-table.js'
import { openAnswer, sealAnswer } from './sealed-answer.js'

/** A key that somebody works on. */
export type Held = Pick<IdempotencyKey, 'id'> & { holder: string }

/** What becomes of a held key. Each change is made only while the holder is the same. */
export class IdempotencyKeyRepository {
  /** The secret that answers are sealed with exists only once the gateway has started. */
  constructor(
    private readonly db: Database,
    private readonly secret: () => Buffer,
  ) {}

  async find(id: string): Promise<IdempotencyKey | null> {
    const [key] = await this.db.read((reader) => selectRows(reader, idempotencyKeyTable, 'WHERE id = ?', [id]))
    return key ? this.opened(key) : null
  }

  async byIds(tx: EntityManager, ids: readonly string[]): Promise<IdempotencyKey[]> {
    if (ids.length === 0) return []
    const rows = await selectRows(tx, idempotencyKeyTable, `WHERE id IN ${inList(ids)}`, ids)
    return rows.map((row) => this.opened(row))
  }

  /** In the order of their ids, so that two that add the same ones wait for each other instead of blocking each other. */
  async add(tx: EntityManager, keys: readonly IdempotencyKey[]): Promise<void> {
    if (keys.length === 0) return
    await insertRows(
      tx,
      idempotencyKeyTable,
      keys
        .toSorted((a, b) => (a.id < b.id ? -1 : 1))
        .map((key) => ({ ...key, answer: this.sealed(key.answer, key.id) })),
    )
  }

  async dropExpired(tx: EntityManager, ids: readonly string[], now: number): Promise<void> {
    if (ids.length > 0) await tx.delete(idempotencyKeyTable, { id: In([...ids]), expiresAt: LessThanOrEqual(now) })
  }

  /** Answers false when another was quicker. */
  async takeOver({ id, holder, leaseUntil }: IdempotencyKey, next: Partial<IdempotencyKey>): Promise<boolean> {
    if (holder === null || leaseUntil === null) return false
    return this.db.write((tx) => this.changeWhere(tx, id, { holder, leaseUntil }, next))
  }

  change(tx: EntityManager, { id, holder }: Held, change: Partial<IdempotencyKey>): Promise<boolean> {
    return this.changeWhere(tx, id, { holder }, change)
  }

  async release({ id, holder }: Held): Promise<void> {
    await this.db.write((tx) => tx.delete(idempotencyKeyTable, { id, holder }))
  }

  /** Ends every lease: for a gateway that is the only one, and has just started. */
  async endLeases(): Promise<void> {
    await this.db.write((tx) =>
      tx.query('UPDATE idempotency_keys SET lease_until = 0 WHERE holder IS NOT NULL AND lease_until > 0'),
    )
  }

  /** Answers how many are gone, at most `limit`. */
  async trim(now: number, limit: number): Promise<number> {
    const condition = `WHERE expires_at <= ? ORDER BY expires_at LIMIT ${Number(limit)}`
    const old = await this.db.read((reader) => selectRows(reader, idempotencyKeyTable, condition, [now]))
    const ids = old.map(({ id }) => id)
    await this.db.write((tx) => this.dropExpired(tx, ids, now))
    return ids.length
  }

  private async changeWhere(
    tx: EntityManager,
    id: string,
    where: { holder: string; leaseUntil?: number },
    { answer, ...same }: Partial<IdempotencyKey>,
  ): Promise<boolean> {
    const change: Partial<IdempotencyKeyRow> =
      answer === undefined ? same : { ...same, answer: this.sealed(answer, same.id ?? id) }
    const { affected } = await tx.update(idempotencyKeyTable, { ...where, id }, change)
    return affected === 1
  }

  private sealed(answer: StoredAnswer | null, id: string): string | null {
    return answer && sealAnswer(answer, id, this.secret())
  }

  private opened(row: IdempotencyKeyRow): IdempotencyKey {
    return { ...row, answer: row.answer === null ? null : openAnswer(row.answer, row.id, this.secret()) }
  }
}
