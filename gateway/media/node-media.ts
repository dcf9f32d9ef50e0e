/** Files between the gateway and its nodes: what is sent goes there, what came in is fetched from there. */
import { createReadStream } from 'node:fs'
import type { Readable } from 'node:stream'
import type { NodeId } from '../../proto/contract.js'
import type { NodeClient } from '../../proto/node-client.js'
import { AppError } from '../../runtime/app-error.js'
import type { Logger } from '../../runtime/log.js'
import type { Database } from '../db/database.js'
import type { MediaId } from '../messages/message.js'
import type { ByteRange } from './byte-range.js'
import type { WrittenFile } from './incoming-file.js'
import type { IncomingFiles } from './incoming-files.js'
import { isOverQuota, type MediaQuota } from './media-quota.js'
import type { MediaRepository } from './media-repository.js'
import { gone, type MediaStore } from './media-store.js'
import type { MediaRow } from './media-table.js'

export interface NodeMediaOptions {
  db: Database
  repository: MediaRepository
  quota: MediaQuota
  store: MediaStore
  incoming: IncomingFiles
  /** Throws `unavailable`. */
  nodeClient: (nodeId: NodeId) => NodeClient
  log: Logger
}

export class NodeMedia {
  private readonly fetching = new Map<MediaId, Promise<MediaRow>>()

  constructor(private readonly options: NodeMediaOptions) {}

  /** Puts files on the node that is about to be handed messages with them. */
  async giveToNode({ client }: { client: NodeClient }, ids: readonly MediaId[]): Promise<void> {
    const { repository, store, log } = this.options
    const rows = await repository.byIds([...new Set(ids)])
    const once = new Map(rows.filter(({ status }) => status === 'stored').map((row) => [row.sha256, row]))
    for (const { id, sha256, size, mimetype } of once.values()) {
      const chunks = await store.read(id).catch((error: unknown) => {
        if (!isGone(error)) throw error
        // The node may still have it; if not, it ends the message and says why. The others are not held up.
        log.error({ err: error, media: id }, 'media.lost')
        return null
      })
      try {
        if (chunks) await client.uploadMedia({ sha256, size, mimetype }, chunks)
      } finally {
        // A node that has it already reads nothing.
        chunks?.destroy()
      }
    }
  }

  /**
   * Copies a file from its node. Throws `gone` when the node has it no longer, `unavailable` when the node is away, and
   * `storage_full` (`media_quota_exceeded`) when the tenant has no room for it.
   */
  fetched(row: MediaRow): Promise<MediaRow> {
    if (row.status === 'missing') return Promise.reject(gone(row.reason))
    let running = this.fetching.get(row.id)
    if (!running) {
      running = this.fetchFromNode(row).finally(() => this.fetching.delete(row.id))
      this.fetching.set(row.id, running)
    }
    return running
  }

  /** A file that there is no room for: from its node, or as another message has it. */
  async passOn(row: MediaRow, range?: ByteRange): Promise<Readable> {
    const { repository, store, incoming, nodeClient, log } = this.options
    // Then the node may not have it any more.
    const twin = await repository.findStored(row.sha256)
    if (twin) return store.read(twin.id, range)
    if (!row.nodeId) throw gone()
    const written = await this.download(nodeClient(row.nodeId), row)
    const chunks = createReadStream(written.path, { ...range })
    chunks.once('close', () => {
      incoming.discard(written).catch((err: unknown) => log.warn({ err, media: row.id }, 'media.not_discarded'))
    })
    return chunks
  }

  /** Tells the node that nobody will fetch this file. Throws `unavailable`. */
  async release(row: MediaRow): Promise<void> {
    const { repository, nodeClient } = this.options
    if (row.status !== 'pending' || row.nodeId === null || row.direction !== 'in') return
    if ((await repository.awaitedOn(row.nodeId, [row.sha256], row.id)).size > 0) return
    await nodeClient(row.nodeId).call('ConfirmMedia', { sha256: [row.sha256] })
  }

  private async fetchFromNode(row: MediaRow): Promise<MediaRow> {
    const { db, repository, quota, store, nodeClient } = this.options
    await quota.check(row.tenantId, row.size)
    if (!(await this.copyOfTwin(row))) {
      if (!row.nodeId) throw gone()
      const written = await this.download(nodeClient(row.nodeId), row)
      await store.put(row.id, written)
    }
    const { id, tenantId, size } = row
    const limit = await quota.limitOf(tenantId)
    try {
      await db.write((tx) =>
        quota.taking(tx, { tenantId, size, limit }, async () => {
          // Another gateway was faster, or the row was deleted meanwhile: nothing is taken.
          if (!(await repository.markStored(tx, id))) throw gone()
        }),
      )
    } catch (error) {
      if (!isGone(error) && !isOverQuota(error)) throw error
      const [now] = await repository.byIds([id])
      if (now?.status === 'stored') return now
      // One that waits may be about to be marked by another gateway: what is here goes with its row.
      if (!now) await store.remove([id])
      throw error
    }
    return { ...row, status: 'stored', file: id }
  }

  /** The same picture in two messages: the node may have been told that we have it. */
  private async copyOfTwin(row: MediaRow): Promise<boolean> {
    const twin = await this.options.repository.findStored(row.sha256)
    if (!twin) return false
    try {
      await this.options.store.copy(twin.id, row.id)
      return true
    } catch (error) {
      if (isGone(error)) return false
      throw error
    }
  }

  private async download(client: NodeClient, row: MediaRow): Promise<WrittenFile> {
    const { repository, incoming } = this.options
    try {
      const { chunks } = await client.downloadMedia(row.sha256)
      const written = await incoming.receiveFromNode(chunks, row)
      if (written.sha256 === row.sha256) return written
      await incoming.discard(written)
      throw new AppError('unavailable', 'The file arrived damaged.', { reason: 'media_hash_mismatch' })
    } catch (error) {
      if (!(error instanceof AppError) || error.code !== 'not_found') throw error
      await repository.markMissing(row.id, 'media_missing')
      throw gone('media_missing')
    }
  }
}

function isGone(error: unknown): boolean {
  return error instanceof AppError && error.code === 'gone'
}
