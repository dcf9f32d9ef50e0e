/** Files as the API sees them: kept before a message is accepted, given to nodes, fetched from them, handed out. */
import { basename } from 'node:path'
import type { Readable } from 'node:stream'
import type { MediaType, NodeId, SessionId, TenantId } from '../../proto/contract.js'
import type { NodeClient } from '../../proto/node-client.js'
import { AppError } from '../../runtime/app-error.js'
import type { Clock } from '../../runtime/clock.js'
import { isId, newId } from '../../runtime/ids.js'
import type { Tx } from '../db/database.js'
import { type GuardedClient, toUrlError } from '../http/guarded-client.js'
import type { MediaId, StoredMedia } from '../messages/message.js'
import type { MediaSource } from '../messages/message-request.js'
import type { WrittenFile } from './incoming-file.js'
import { checkFits, kindOf, unreadable } from './media-kind.js'
import type { MediaFiles } from './media-files.js'
import type { MediaRepository } from './media-repository.js'
import type { MediaRow } from './media-table.js'

const FETCH_MS = 60_000

export interface MediaOptions {
  repository: MediaRepository
  files: MediaFiles
  guarded: GuardedClient
  /** Throws `unavailable`. */
  nodeClient: (nodeId: NodeId) => NodeClient
  clock: Clock
}

export interface Owner {
  tenantId: TenantId
  sessionId?: SessionId
}

export class Media {
  private readonly fetching = new Map<MediaId, Promise<MediaRow>>()

  constructor(private readonly options: MediaOptions) {}

  /** Gives a written file its row and its name; `also` in the transaction that stores the row. */
  async keep(
    owner: Owner,
    written: WrittenFile,
    filename: string | undefined,
    also?: (tx: Tx, row: MediaRow) => Promise<void>,
  ): Promise<MediaRow> {
    const { repository, files, clock } = this.options
    const id = newId('med')
    await files.keep(id, written)
    const row: MediaRow = {
      id,
      tenantId: owner.tenantId,
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
    await repository.add(row, also && ((tx) => also(tx, row)))
    return row
  }

  /** A file that nothing tells of. */
  async forget(id: MediaId): Promise<void> {
    await this.options.repository.remove(id)
    await this.options.files.remove(id)
  }

  /**
   * The file of a message to be sent, fetched and checked. Throws `invalid` (`invalid_base64`, `invalid_url`,
   * `blocked_address`), `unprocessable` (`media_not_found`, `media_unreadable`, `url_unreachable`, `url_refused`),
   * `too_large` (`media_too_large`), `unsupported_type` (`media_type_mismatch`) and `timeout` (`url_timeout`).
   */
  async forSending(owner: Required<Owner>, kind: MediaType, source: MediaSource): Promise<StoredMedia> {
    if ('id' in source) {
      const row = isId('med', source.id) ? await this.options.repository.find(owner.tenantId, source.id) : null
      if (!row) {
        throw new AppError('unprocessable', `There is no file ${source.id.slice(0, 40)}.`, {
          reason: 'media_not_found',
        })
      }
      const here = row.status === 'stored' ? row : await this.fetched(row)
      checkFits(kind, here)
      return described(here)
    }
    if ('url' in source) return described(await this.keepUrl(owner, kind, source))
    const { written, filename } = await this.decode(kind, source)
    return described(await this.keepFitting(owner, kind, written, filename))
  }

  /** A file from an address that a caller chose. As what it will be sent is seen from the file unless given. */
  async keepUrl(
    owner: Owner,
    kind: MediaType | undefined,
    source: { url: string; filename?: string | undefined },
  ): Promise<MediaRow> {
    const { written, filename } = await this.fetchUrl(kind, source)
    return this.keepFitting(owner, kind ?? kindOf(written.mimetype), written, filename)
  }

  private async keepFitting(owner: Owner, kind: MediaType, written: WrittenFile, filename: string | undefined) {
    try {
      checkFits(kind, written)
    } catch (error) {
      await this.options.files.discard(written)
      throw error
    }
    return this.keep(owner, written, filename)
  }

  /** Throws `not_found`, `gone` and, while the file is on its node only and that is away, `unavailable`. */
  async get(tenantId: TenantId, id: string): Promise<MediaRow> {
    const row = isId('med', id) ? await this.options.repository.find(tenantId, id) : null
    if (!row) throw new AppError('not_found', 'There is no such file.', { reason: 'media_not_found' })
    return row.status === 'stored' ? row : this.fetched(row)
  }

  /** For a URL of ours that names it; as `get`. */
  async getSigned(id: string): Promise<MediaRow> {
    const [row] = isId('med', id) ? await this.options.repository.byIds([id]) : []
    if (!row) throw new AppError('not_found', 'There is no such file.', { reason: 'media_not_found' })
    return row.status === 'stored' ? row : this.fetched(row)
  }

  read(row: MediaRow, range?: { start: number; end: number }): Readable {
    return this.options.files.read(row.id, range)
  }

  /** Puts files on the node that is about to be handed messages with them. */
  async giveToNode({ client }: { client: NodeClient }, ids: readonly MediaId[]): Promise<void> {
    const rows = await this.options.repository.byIds([...new Set(ids)])
    const once = new Map(rows.filter(({ status }) => status === 'stored').map((row) => [row.sha256, row]))
    for (const row of once.values()) {
      const { sha256, size, mimetype } = row
      await client.uploadMedia({ sha256, size, mimetype }, this.options.files.read(row.id))
    }
  }

  /** Copies a file from its node. Throws `gone` when the node has it no longer. */
  fetched(row: MediaRow): Promise<MediaRow> {
    if (row.status === 'missing') return Promise.reject(gone(row.reason))
    let running = this.fetching.get(row.id)
    if (!running) {
      running = this.fetchFromNode(row).finally(() => this.fetching.delete(row.id))
      this.fetching.set(row.id, running)
    }
    return running
  }

  private async fetchFromNode(row: MediaRow): Promise<MediaRow> {
    const { repository, files, nodeClient } = this.options
    // The same picture in two messages: the node may have been told that we have it.
    const twin = await repository.findStored(row.sha256)
    if (twin) await files.copy(twin.id, row.id)
    else {
      if (!row.nodeId) throw gone(null)
      const written = await this.download(nodeClient(row.nodeId), row)
      await files.keep(row.id, written)
    }
    await repository.markStored(row.id, row.id)
    return { ...row, status: 'stored', file: row.id }
  }

  private async download(client: NodeClient, row: MediaRow): Promise<WrittenFile> {
    const { repository, files } = this.options
    try {
      const { chunks } = await client.downloadMedia(row.sha256)
      const written = await files.receiveFromNode(chunks, row)
      if (written.sha256 === row.sha256) return written
      await files.discard(written)
      throw new AppError('unavailable', 'The file arrived damaged.', { reason: 'media_hash_mismatch' })
    } catch (error) {
      if (!(error instanceof AppError) || error.code !== 'not_found') throw error
      await repository.markMissing(row.id, 'media_missing')
      throw gone('media_missing')
    }
  }

  private async fetchUrl(
    kind: MediaType | undefined,
    { url, filename }: { url: string; filename?: string | undefined },
  ) {
    const { guarded, files } = this.options
    const answer = await guarded.request({ url, timeoutMs: FETCH_MS })
    if (answer.status !== 200) {
      await answer.body.dump({ limit: 64 * 1024 }).catch(() => undefined)
      const { host } = new URL(url)
      throw new AppError('unprocessable', `${host} answered ${answer.status} instead of the file.`, {
        reason: 'url_refused',
      })
    }
    const name = filename ?? nameOf(url)
    const declared = String(answer.headers['content-type'] ?? '')
    const written = await files
      .receiveFrom(answer.body, { kind, declared, filename: name })
      .catch((error: unknown) => Promise.reject(toUrlError(error, new URL(url))))
    return { written, filename: name }
  }

  private async decode(
    kind: MediaType,
    { base64, mimetype, filename }: { base64: string; mimetype: string; filename?: string | undefined },
  ) {
    const bytes = Buffer.from(base64, 'base64')
    // Node passes over what is not base64; a file with holes is not what was meant.
    if (bytes.toString('base64').replace(/=+$/, '') !== base64.replace(/\s/g, '').replace(/=+$/, '')) {
      throw new AppError('invalid', 'base64: is not base64.', { reason: 'invalid_base64' })
    }
    if (bytes.length === 0) throw unreadable('The file is empty.')
    const written = await this.options.files.receiveFrom(once(bytes), { kind, declared: mimetype, filename })
    return { written, filename }
  }
}

function* once<T>(item: T): Generator<T> {
  yield item
}

function described({ id, sha256, size, mimetype, filename }: MediaRow): StoredMedia {
  return { id, sha256, size, mimetype, ...(filename ? { filename } : {}) }
}

/** The last part of a path, when it looks like the name of a file. */
function nameOf(url: string): string | undefined {
  try {
    const name = decodeURIComponent(basename(new URL(url).pathname)).toWellFormed()
    return /^[^/\\\p{Cc}]{1,255}$/u.test(name) && name.includes('.') ? name : undefined
  } catch {
    return undefined
  }
}

function gone(reason: string | null): AppError {
  return new AppError('gone', 'This file is not there any more.', { reason: reason ?? 'media_missing' })
}
