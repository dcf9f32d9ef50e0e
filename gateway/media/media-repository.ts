import type { EntityManager } from 'typeorm'
import type { Media, NodeId, SessionId, TenantId } from '../../proto/contract.js'
import type { Database } from '../db/database.js'
import { change, inList, insertRows, selectRows } from '../db/rows.js'
import { query } from '../db/statements.js'
import type { MediaId } from '../messages/message.js'
import { type MediaRow, mediaTable } from './media-table.js'

/** A file that is on its node only, as an event told of it. */
export interface NodeFile {
  id: MediaId
  tenantId: TenantId
  sessionId: SessionId
  direction: MediaRow['direction']
  media: Media
  nodeId: NodeId
}

export interface MediaFilter {
  /** Files of these, and those of no session; of all unless given. */
  sessionIds?: readonly SessionId[] | undefined
  direction?: MediaRow['direction'] | undefined
}

export class MediaRepository {
  constructor(private readonly db: Database) {}

  async add(tx: EntityManager, row: MediaRow): Promise<void> {
    await insertRows(tx, mediaTable, [row])
  }

  async addFromNode(tx: EntityManager, files: readonly NodeFile[], now: number): Promise<void> {
    if (files.length === 0) return
    const rows = files.map(({ media, ...file }): MediaRow => {
      const { sha256, size, mimetype, filename } = media
      const createdAt = new Date(now)
      const blank = { reason: null, file: null, expiresAt: null }
      return { ...blank, ...file, status: 'pending', sha256, size, mimetype, filename: filename ?? null, createdAt }
    })
    await insertRows(tx, mediaTable, rows)
  }

  async find(tenantId: TenantId, id: MediaId): Promise<MediaRow | null> {
    const [row] = await this.select('WHERE id = ? AND tenant_id = ?', [id, tenantId])
    return row ?? null
  }

  /** A file of the gateway's own with this content, whoever's it is. */
  async findStored(sha256: string): Promise<MediaRow | null> {
    // Not the bare column: SQLite would take the index of statuses, and look at all files that are stored.
    const [row] = await this.select("WHERE sha256 = ? AND COALESCE(status, '') = 'stored' LIMIT 1", [sha256])
    return row ?? null
  }

  /** Files that are to be copied from a node, and that there is room for, oldest first. */
  pendingOn(nodeId: NodeId, limit: number, except: readonly MediaId[] = []): Promise<MediaRow[]> {
    const others = except.length > 0 ? `AND id NOT IN ${inList(except)}` : ''
    const condition = `WHERE status = 'pending' AND node_id = ? AND reason IS NULL ${others} ORDER BY id LIMIT ${Number(limit)}`
    return this.select(condition, [nodeId, ...except])
  }

  /** Which of these files of a node are still to be fetched for some message, without this one. */
  async awaitedOn(nodeId: NodeId, hashes: readonly string[], except?: MediaId): Promise<Set<string>> {
    if (hashes.length === 0) return new Set()
    const condition = `WHERE sha256 IN ${inList(hashes)} AND COALESCE(status, '') = 'pending' AND node_id = ? AND id <> ?`
    const rows = await this.select(condition, [...hashes, nodeId, except ?? ''])
    return new Set(rows.map(({ sha256 }) => sha256))
  }

  /** The newest first. */
  list(
    tenantId: TenantId,
    { sessionIds, direction }: MediaFilter,
    { limit, before }: { limit: number; before: string | undefined },
  ): Promise<MediaRow[]> {
    const conditions = ["tenant_id = ? AND status <> 'missing'"]
    const values: unknown[] = [tenantId]
    if (before !== undefined) {
      conditions.push('id < ?')
      values.push(before)
    }
    if (direction !== undefined) {
      conditions.push('direction = ?')
      values.push(direction)
    }
    if (sessionIds) {
      conditions.push(
        sessionIds.length > 0 ? `(session_id IS NULL OR session_id IN ${inList(sessionIds)})` : 'session_id IS NULL',
      )
      values.push(...sessionIds)
    }
    return this.select(`WHERE ${conditions.join(' AND ')} ORDER BY id DESC LIMIT ${Number(limit)}`, values)
  }

  async byIds(ids: readonly MediaId[]): Promise<MediaRow[]> {
    return ids.length === 0 ? [] : this.select(`WHERE id IN ${inList(ids)}`, ids)
  }

  /** Which of these are on their node only, and why they stay there, if they do. */
  async pendingAmong(ids: readonly MediaId[]): Promise<Map<MediaId, string | null>> {
    if (ids.length === 0) return new Map()
    const rows = await this.select(`WHERE status = 'pending' AND id IN ${inList(ids)}`, ids)
    return new Map(rows.map(({ id, reason }) => [id, reason]))
  }

  /** Answers those that were there. */
  async remove(tx: EntityManager, ids: readonly MediaId[]): Promise<MediaRow[]> {
    if (ids.length === 0) return []
    const rows = await selectRows(tx, mediaTable, `WHERE id IN ${inList(ids)}`, ids)
    await change(tx, `DELETE FROM media WHERE id IN ${inList(ids)}`, ids)
    return rows
  }

  /** Answers false for one that was not pending any more. */
  async markStored(tx: EntityManager, id: MediaId): Promise<boolean> {
    const sql = "UPDATE media SET status = 'stored', reason = NULL, file = id WHERE id = ? AND status = 'pending'"
    return (await change(tx, sql, [id])) === 1
  }

  async markMissing(id: MediaId, reason: string): Promise<void> {
    await this.db.write((tx) => tx.update(mediaTable, { id, status: 'pending' }, { status: 'missing', reason }))
  }

  /** It stays on its node until `wakeWaiting`. */
  async markWaiting(id: MediaId, reason: string): Promise<void> {
    await this.db.write((tx) => tx.update(mediaTable, { id, status: 'pending' }, { reason }))
  }

  /** Of each tenant with files that wait for this reason: how small the smallest is. */
  async waiting(reason: string): Promise<{ tenantId: TenantId; smallest: number }[]> {
    const rows = await this.db.read((reader) =>
      query<{ tenant_id: TenantId; smallest: number | string }>(
        reader,
        `SELECT tenant_id, MIN(size) AS smallest FROM media WHERE status = 'pending' AND reason = ? GROUP BY tenant_id`,
        [reason],
      ),
    )
    return rows.map(({ tenant_id, smallest }) => ({ tenantId: tenant_id, smallest: Number(smallest) }))
  }

  /** Those that are small enough are to be copied again. */
  async wakeWaiting(tenantId: TenantId, reason: string, size: number): Promise<void> {
    await this.db.write((tx) =>
      change(
        tx,
        `UPDATE media SET reason = NULL WHERE status = 'pending' AND reason = ? AND tenant_id = ? AND size <= ?`,
        [reason, tenantId, size],
      ),
    )
  }

  private select(condition: string, values: readonly unknown[]): Promise<MediaRow[]> {
    return this.db.read((reader) => selectRows(reader, mediaTable, condition, values))
  }
}
