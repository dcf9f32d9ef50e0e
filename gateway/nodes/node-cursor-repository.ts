import type { EntityManager } from 'typeorm'
import type { Cursor, NodeId } from '../../proto/contract.js'
import { isDuplicate } from '../db/database-errors.js'
import type { Database } from '../db/database.js'
import { change } from '../db/rows.js'
import { nodeCursorTable } from './node-cursor-table.js'

/** Holds the lease of a node that is being given up. */
const GIVING_UP = 'giving_up'

/** The right to follow a node, and where its log was read to. Whoever takes it next has a higher fence. */
export interface Lease {
  nodeId: NodeId
  holder: string
  fence: number
}

export class NodeCursorRepository {
  constructor(private readonly db: Database) {}

  /** ms since the epoch by the database's clock, which all gateways share. */
  private get now(): string {
    return this.db.dialect === 'mysql'
      ? 'CAST(UNIX_TIMESTAMP(CURRENT_TIMESTAMP(3)) * 1000 AS SIGNED)'
      : "CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER)"
  }

  /** Takes a free lease, or one that ran out. On SQLite there is only one gateway, so it is always free. */
  async acquire(nodeId: NodeId, holder: string, ttlMs: number): Promise<{ lease: Lease; cursor: Cursor } | null> {
    await this.ensure(nodeId)
    return this.db.write(async (tx) => {
      const free =
        this.db.dialect === 'sqlite'
          ? `(holder IS NULL OR holder <> '${GIVING_UP}' OR lease_until < ${this.now})`
          : `(holder IS NULL OR holder = :holder OR lease_until < ${this.now})`
      const { affected } = await tx
        .createQueryBuilder()
        .update(nodeCursorTable.tableName)
        .set({ holder, fence: () => 'fence + 1', leaseUntil: () => `${this.now} + ${Number(ttlMs)}` })
        .where(`node_id = :nodeId AND ${free}`, { nodeId, holder })
        .execute()
      if (affected !== 1) return null
      const { fence, epoch, position } = await tx.findOneByOrFail(nodeCursorTable, { nodeId })
      return { lease: { nodeId, holder, fence }, cursor: { epoch, position } }
    })
  }

  /** False when another gateway took over. `heard` tells the others that the node was heard just now. */
  async renew(lease: Lease, ttlMs: number, heard: boolean): Promise<boolean> {
    const values = { leaseUntil: () => `${this.now} + ${Number(ttlMs)}` }
    const affected = await this.db.write((tx) =>
      this.update(tx, lease, heard ? { ...values, heardAt: () => this.now } : values),
    )
    return affected === 1
  }

  async release(lease: Lease): Promise<void> {
    await this.db.write((tx) => this.update(tx, lease, { holder: null, leaseUntil: null }))
  }

  /** Moves the cursor on. False when this lease is no longer ours, or the cursor is not where we left it. */
  async advance(tx: EntityManager, lease: Lease, from: Cursor, to: Cursor): Promise<boolean> {
    const affected = await change(
      tx,
      `UPDATE node_cursors SET epoch = ?, position = ?
       WHERE node_id = ? AND holder = ? AND fence = ? AND epoch = ? AND position = ?`,
      [to.epoch, to.position, lease.nodeId, lease.holder, lease.fence, from.epoch, from.position],
    )
    return affected === 1
  }

  /** How long ago the gateway that follows a node heard it. */
  async heardAgoMs(nodeId: NodeId): Promise<number | null> {
    const rows: { ago: string | number | null }[] = await this.db.read((reader) =>
      reader.query(`SELECT ${this.now} - heard_at AS ago FROM node_cursors WHERE node_id = ?`, [nodeId]),
    )
    const ago = rows[0]?.ago ?? null
    return ago === null ? null : Number(ago)
  }

  exists(nodeId: NodeId): Promise<boolean> {
    return this.db.read((reader) => reader.existsBy(nodeCursorTable, { nodeId }))
  }

  /**
   * Whoever holds the lease has lost it, and nobody follows the node while it is being given up. False when it was heard
   * within `silentMs`: it may have been let send just now.
   */
  async revoke(tx: EntityManager, nodeId: NodeId, forMs: number, silentMs: number): Promise<boolean> {
    const { affected } = await tx
      .createQueryBuilder()
      .update(nodeCursorTable.tableName)
      .set({ holder: GIVING_UP, fence: () => 'fence + 1', leaseUntil: () => `${this.now} + ${Number(forMs)}` })
      .where('node_id = :nodeId', { nodeId })
      .andWhere(`(heard_at IS NULL OR heard_at <= ${this.now} - ${Number(silentMs)})`)
      .execute()
    // One that was never followed has nothing that could be taken from it.
    return affected === 1 || !(await tx.existsBy(nodeCursorTable, { nodeId }))
  }

  /** While it is being given up; false when that took too long, and somebody follows it again. */
  async keepRevoked(tx: EntityManager, nodeId: NodeId, forMs: number): Promise<boolean> {
    const { affected } = await tx
      .createQueryBuilder()
      .update(nodeCursorTable.tableName)
      .set({ leaseUntil: () => `${this.now} + ${Number(forMs)}` })
      .where('node_id = :nodeId AND holder = :holder', { nodeId, holder: GIVING_UP })
      .execute()
    return affected === 1 || !(await tx.existsBy(nodeCursorTable, { nodeId }))
  }

  /** It was given up; should it come back, it is followed again. */
  async unrevoke(nodeId: NodeId): Promise<void> {
    await this.db.write((tx) =>
      tx.update(nodeCursorTable, { nodeId, holder: GIVING_UP }, { holder: null, leaseUntil: null }),
    )
  }

  private async ensure(nodeId: NodeId): Promise<void> {
    if (await this.exists(nodeId)) return
    const row = { nodeId, epoch: '', position: 0, fence: 0, holder: null, leaseUntil: null, heardAt: null }
    await this.db
      .write((tx) => tx.insert(nodeCursorTable, row))
      .catch((error: unknown) => {
        if (!isDuplicate(error)) throw error
      })
  }

  private async update(
    tx: EntityManager,
    { nodeId, holder, fence }: Lease,
    values: Record<string, null | (() => string)>,
  ): Promise<number | undefined> {
    const { affected } = await tx
      .createQueryBuilder()
      .update(nodeCursorTable.tableName)
      .set(values)
      .where('node_id = :nodeId AND holder = :holder AND fence = :fence', { nodeId, holder, fence })
      .execute()
    return affected
  }
}
