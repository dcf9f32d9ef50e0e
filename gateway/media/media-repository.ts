import type { EntityManager } from 'typeorm'
import type { Media, NodeId, SessionId, TenantId } from '../../proto/contract.js'
import type { Database } from '../db/database.js'
import { inList, insertRows, selectRows } from '../db/rows.js'
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

export class MediaRepository {
  constructor(private readonly db: Database) {}

  /** `also` in the same transaction. */
  async add(row: MediaRow, also?: (tx: EntityManager) => Promise<void>): Promise<void> {
    await this.db.write(async (tx) => {
      await insertRows(tx, mediaTable, [row])
      await also?.(tx)
    })
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

  /** Files that are to be copied from a node, oldest first. */
  pendingOn(nodeId: NodeId, limit: number, except: readonly MediaId[] = []): Promise<MediaRow[]> {
    const others = except.length > 0 ? `AND id NOT IN ${inList(except)}` : ''
    const condition = `WHERE status = 'pending' AND node_id = ? ${others} ORDER BY id LIMIT ${Number(limit)}`
    return this.select(condition, [nodeId, ...except])
  }

  async byIds(ids: readonly MediaId[]): Promise<MediaRow[]> {
    return ids.length === 0 ? [] : this.select(`WHERE id IN ${inList(ids)}`, ids)
  }

  /** Which of these are on their node only. */
  async pendingAmong(ids: readonly MediaId[]): Promise<Set<MediaId>> {
    if (ids.length === 0) return new Set()
    const rows = await this.select(`WHERE status = 'pending' AND id IN ${inList(ids)}`, ids)
    return new Set(rows.map(({ id }) => id))
  }

  async remove(id: MediaId): Promise<void> {
    await this.db.write((tx) => tx.delete(mediaTable, { id }))
  }

  async markStored(id: MediaId, file: string): Promise<void> {
    await this.db.write((tx) => tx.update(mediaTable, { id, status: 'pending' }, { status: 'stored', file }))
  }

  async markMissing(id: MediaId, reason: string): Promise<void> {
    await this.db.write((tx) => tx.update(mediaTable, { id, status: 'pending' }, { status: 'missing', reason }))
  }

  private select(condition: string, values: readonly unknown[]): Promise<MediaRow[]> {
    return this.db.read((reader) => selectRows(reader, mediaTable, condition, values))
  }
}
