/** Files as the API sees them: kept before a message is accepted, handed out, deleted. */
import type { Readable } from 'node:stream'
import type { MediaType, SessionId, TenantId } from '../../proto/contract.js'
import { AppError } from '../../runtime/app-error.js'
import type { Clock } from '../../runtime/clock.js'
import { isId, newId } from '../../runtime/ids.js'
import type { Database, Tx } from '../db/database.js'
import { mayHaveActed } from '../idempotency/idempotency-key.js'
import type { MediaId, StoredMedia } from '../messages/message.js'
import type { MediaSource } from '../messages/message-request.js'
import type { ByteRange } from './byte-range.js'
import type { WrittenFile } from './incoming-file.js'
import type { IncomingFiles } from './incoming-files.js'
import { checkFits, kindOf } from './media-kind.js'
import { isOverQuota, type MediaQuota } from './media-quota.js'
import type { MediaFilter, MediaRepository } from './media-repository.js'
import type { MediaSources } from './media-sources.js'
import { gone, type MediaStore } from './media-store.js'
import type { MediaRow } from './media-table.js'
import type { NodeMedia } from './node-media.js'

export interface MediaOptions {
  db: Database
  repository: MediaRepository
  quota: MediaQuota
  store: MediaStore
  incoming: IncomingFiles
  sources: MediaSources
  nodes: NodeMedia
  /** Whether a message that is still to be sent has this file. */
  isToBeSent: (tenantId: TenantId, id: MediaId) => Promise<boolean>
  clock: Clock
}

export interface RemovedMedia {
  count: number
  /** Of what was stored here. */
  bytes: number
}

export interface Owner {
  tenantId: TenantId
  sessionId?: SessionId
}

/** The session that a file is sent with, for somebody who may not see the files of all sessions. */
export interface Sender extends Required<Owner> {
  mayUse: (sessionId: SessionId) => boolean
}

export class Media {
  constructor(private readonly options: MediaOptions) {}

  /**
   * Gives a written file its row and its name; `also` in the transaction that stores the row. Throws `storage_full`
   * (`media_quota_exceeded`), and then nothing of it is left.
   */
  async keep(
    owner: Owner,
    written: WrittenFile,
    filename: string | undefined,
    also?: (tx: Tx, row: MediaRow) => Promise<void>,
  ): Promise<MediaRow> {
    const { db, repository, quota, store, incoming, clock } = this.options
    const { tenantId } = owner
    const id = newId('med')
    const row: MediaRow = {
      id,
      tenantId,
      sessionId: owner.sessionId ?? null,
      direction: 'out',
      status: 'stored',
      reason: null,
      sha256: written.sha256,
      size: written.size,
      mimetype: written.mimetype,
      filename: filename ?? null,
      file: id,
      nodeId: null,
      createdAt: new Date(clock()),
      expiresAt: null,
    }
    try {
      await quota.check(tenantId, written.size)
      const limit = await quota.limitOf(tenantId)
      await store.put(id, written)
      await db.write((tx) =>
        quota.taking(tx, { tenantId, size: written.size, limit }, async () => {
          await repository.add(tx, row)
          await also?.(tx, row)
        }),
      )
    } catch (error) {
      await incoming.discard(written)
      // What may have its row after all is left to the search for strays.
      if (!mayHaveActed(error)) await store.remove([id])
      throw error
    }
    return row
  }

  /** Before a file of about this size is read. Throws `storage_full` (`media_quota_exceeded`). */
  checkRoom(tenantId: TenantId, size: number): Promise<void> {
    return this.options.quota.check(tenantId, size)
  }

  /** A file that nothing tells of. */
  async forget(id: MediaId): Promise<void> {
    await this.removeAll([id])
  }

  /**
   * The file of a message to be sent, fetched and checked. Throws `invalid` (`invalid_base64`, `invalid_url`,
   * `blocked_address`), `unprocessable` (`media_not_found`, `media_unreadable`, `url_unreachable`, `url_refused`),
   * `too_large` (`media_too_large`), `unsupported_type` (`media_type_mismatch`), `timeout` (`url_timeout`) and
   * `storage_full` (`media_quota_exceeded`).
   */
  async forSending(owner: Sender, kind: MediaType, source: MediaSource): Promise<StoredMedia> {
    const { repository, nodes, sources } = this.options
    if ('id' in source) {
      const row = isId('med', source.id) ? await repository.find(owner.tenantId, source.id) : null
      if (!row || (row.sessionId && !owner.mayUse(row.sessionId))) {
        throw new AppError('unprocessable', `There is no file ${source.id.slice(0, 40)}.`, {
          reason: 'media_not_found',
        })
      }
      const here = row.status === 'stored' ? row : await nodes.fetched(row)
      checkFits(kind, here)
      return described(here)
    }
    if ('url' in source) return described(await this.keepUrl(owner, kind, source))
    const { written, filename } = await sources.fromBase64(kind, source)
    return described(await this.keepFitting(owner, kind, written, filename))
  }

  /** A file from an address that a caller chose. As what it will be sent is seen from the file unless given. */
  async keepUrl(
    owner: Owner,
    kind: MediaType | undefined,
    source: { url: string; filename?: string | undefined },
  ): Promise<MediaRow> {
    await this.options.quota.check(owner.tenantId, 1)
    const { written, filename } = await this.options.sources.fromUrl(kind, source)
    return this.keepFitting(owner, kind ?? kindOf(written.mimetype), written, filename)
  }

  private async keepFitting(owner: Owner, kind: MediaType, written: WrittenFile, filename: string | undefined) {
    try {
      checkFits(kind, written)
    } catch (error) {
      await this.options.incoming.discard(written)
      throw error
    }
    return this.keep(owner, written, filename)
  }

  /** Throws `not_found`, and `gone` when nobody has it any more. */
  async get(tenantId: TenantId, id: string): Promise<MediaRow> {
    return there(isId('med', id) ? await this.options.repository.find(tenantId, id) : null)
  }

  /** For a URL of ours that names it; as `get`. */
  async getSigned(id: string): Promise<MediaRow> {
    const [row] = isId('med', id) ? await this.options.repository.byIds([id]) : []
    return there(row)
  }

  list(tenantId: TenantId, filter: MediaFilter, page: { limit: number; before: string | undefined }) {
    return this.options.repository.list(tenantId, filter, page)
  }

  /** Throws `gone`, and `unavailable` while the file is on its node only and that is away. */
  async read(row: MediaRow, range?: ByteRange): Promise<Readable> {
    const { nodes, store } = this.options
    if (row.status !== 'stored') {
      try {
        await nodes.fetched(row)
      } catch (error) {
        if (!isOverQuota(error)) throw error
        return nodes.passOn(row, range)
      }
    }
    return store.read(row.id, range)
  }

  /** Throws `conflict` (`media_in_use`), and `unavailable` when its node cannot be told: then nothing changes. */
  async delete(row: MediaRow): Promise<void> {
    const { isToBeSent, nodes } = this.options
    if (await isToBeSent(row.tenantId, row.id)) {
      throw new AppError('conflict', 'A message with this file is still to be sent.', { reason: 'media_in_use' })
    }
    await nodes.release(row)
    await this.removeAll([row.id])
  }

  /** Rows first: a file without a row is found as a stray, a row without a file would promise what is not there. */
  async removeAll(ids: readonly MediaId[]): Promise<RemovedMedia> {
    const { db, repository, quota, store } = this.options
    const tenants = new Set((await repository.byIds(ids)).map(({ tenantId }) => tenantId))
    const removed = await db.write(async (tx) => {
      await quota.lock(tx, [...tenants])
      const rows = await repository.remove(tx, ids)
      const stored = rows.filter(({ status }) => status === 'stored')
      for (const tenantId of [...tenants].sort()) {
        const sizes = stored.filter((row) => row.tenantId === tenantId).map(({ size }) => size)
        if (sizes.length > 0) await quota.giveBack(tx, tenantId, { files: sizes.length, bytes: sum(sizes) })
      }
      return { count: rows.length, bytes: sum(stored.map(({ size }) => size)) }
    })
    await store.remove(ids)
    return removed
  }
}

const sum = (sizes: readonly number[]) => sizes.reduce((total, size) => total + size, 0)

function there(row: MediaRow | null | undefined): MediaRow {
  if (!row) throw new AppError('not_found', 'There is no such file.', { reason: 'media_not_found' })
  if (row.status === 'missing') throw gone(row.reason)
  return row
}

function described({ id, sha256, size, mimetype, filename }: MediaRow): StoredMedia {
  return { id, sha256, size, mimetype, ...(filename ? { filename } : {}) }
}
