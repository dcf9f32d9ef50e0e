import { createHash, randomUUID } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { access, mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { mediaLimits } from '../../proto/contract.js'
import { AppError } from '../../runtime/app-error.js'
import { type Clock, sleep } from '../../runtime/clock.js'
import type { Service } from '../../runtime/lifecycle.js'
import type { Logger } from '../../runtime/log.js'
import type { Journal } from '../journal/journal.js'
import type { MediaStore } from './media-store.js'

export interface MediaInfo {
  sha256: string
  size: number
  mimetype: string
}

const CHUNK = 256 * 1024
const LARGEST = Math.max(...Object.values(mediaLimits))
const SWEEP_MS = 600_000
const HOUR_MS = 3_600_000
/** An upload may come well before the message that names it. */
const UNUSED_MS = 24 * HOUR_MS
/** Nobody has fetched it: the gateway keeps media no longer either. */
const UNFETCHED_MS = 30 * 24 * HOUR_MS

/**
 * Files of messages, named by their SHA-256: nothing of what a caller says reaches a path. A file is whole and durable
 * before it has its name.
 */
export class MediaFiles implements MediaStore, Service {
  private readonly directory: string
  private readonly arriving = new Map<string, Promise<unknown>>()
  private stopping = new AbortController()
  private sweeping: Promise<void> = Promise.resolve()

  constructor(
    dataDir: string,
    private readonly journal: Journal,
    private readonly clock: Clock,
    private readonly log: Logger,
  ) {
    // Not `media`, which is the gateway's when both run on one DATA_DIR: here files go once the gateway has them.
    this.directory = join(dataDir, 'node-media')
  }

  async start(): Promise<void> {
    await mkdir(this.directory, { recursive: true, mode: 0o700 })
    this.stopping = new AbortController()
    this.sweeping = this.sweepNowAndThen(this.stopping.signal)
  }

  async stop(): Promise<void> {
    this.stopping.abort()
    await this.sweeping
  }

  async put(bytes: Uint8Array, mimetype: string): Promise<{ sha256: string; size: number }> {
    const sha256 = createHash('sha256').update(bytes).digest('hex')
    await this.keep({ sha256, size: bytes.length, mimetype }, [bytes], 0)
    return { sha256, size: bytes.length }
  }

  expect(sha256: string, arriving: Promise<unknown>): void {
    // Without the file `pathOf` says `not_found`; why it did not come is told by who fetched it.
    const settled = arriving.catch(() => undefined)
    this.arriving.set(sha256, settled)
    void settled.then(() => this.arriving.get(sha256) === settled && this.arriving.delete(sha256))
  }

  async pathOf(sha256: string): Promise<string> {
    await this.arriving.get(sha256)
    if (!this.info(sha256)) throw missing()
    return this.path(sha256)
  }

  /**
   * Keeps an upload, for a while also without a message that names it; answers whether it was here already, and then
   * reads nothing. Throws `invalid` (`media_hash_mismatch`) when it is not what was announced.
   */
  async upload(announced: MediaInfo, chunks: AsyncIterable<Uint8Array>): Promise<{ existed: boolean }> {
    const reservedUntil = this.clock() + UNUSED_MS
    const existing = this.info(announced.sha256)
    if (existing) await this.remember(existing, reservedUntil)
    else await this.keep(announced, chunks, reservedUntil)
    return { existed: existing !== undefined }
  }

  private async keep(
    announced: MediaInfo,
    chunks: Iterable<Uint8Array> | AsyncIterable<Uint8Array>,
    reservedUntil: number,
  ): Promise<void> {
    checkHash(announced.sha256)
    if (announced.size > LARGEST) throw new AppError('too_large', `A file may have ${LARGEST / 2 ** 20} MiB at most.`)
    const temporary = join(this.directory, `${randomUUID()}.part`)
    try {
      await this.writeDown(temporary, announced, chunks)
      await rename(temporary, this.path(announced.sha256))
      await this.syncDirectory()
    } catch (error) {
      await rm(temporary, { force: true })
      throw translated(error)
    }
    await this.remember(announced, reservedUntil)
  }

  /** Throws `not_found`. */
  async open(sha256: string): Promise<{ info: MediaInfo; chunks: AsyncIterable<Buffer> }> {
    const path = await this.pathOf(sha256)
    const info = this.info(sha256)
    if (!info) throw missing()
    await access(path).catch((cause: unknown) => {
      throw missing(cause)
    })
    return { info, chunks: createReadStream(path, { highWaterMark: CHUNK }) }
  }

  /** The gateway has its own copies. A file that a message still has to send stays. */
  async confirm(hashes: string[]): Promise<void> {
    await this.journal.write(() => {
      for (const sha256 of hashes) {
        this.journal.run(`DELETE FROM media_refs WHERE sha256 = ? AND direction = 'in'`, sha256)
      }
    })
    await this.release(hashes)
  }

  /** Removes those of these files that nothing names any more. */
  async release(hashes: string[]): Promise<void> {
    const free = this.journal.all<{ sha256: string }>(
      `${unreferenced} AND sha256 IN (SELECT value FROM json_each(?))`,
      this.clock(),
      JSON.stringify(hashes),
    )
    await this.remove(free.map(({ sha256 }) => sha256))
  }

  /** One round: removes what nothing names any more, and leftovers of broken uploads. */
  async sweep(): Promise<void> {
    const now = this.clock()
    await this.journal.write(() => this.journal.run('DELETE FROM media_refs WHERE at < ?', now - UNFETCHED_MS))
    const unused = this.journal.all<{ sha256: string }>(`${unreferenced} AND at < ?`, now, now - HOUR_MS)
    await this.remove(unused.map(({ sha256 }) => sha256))
    for (const name of await readdir(this.directory)) {
      if (this.info(name)) continue
      const path = join(this.directory, name)
      const { mtimeMs } = await stat(path)
      if (Date.now() - mtimeMs > HOUR_MS) await rm(path, { force: true })
    }
  }

  private async writeDown(
    path: string,
    { sha256, size }: MediaInfo,
    chunks: Iterable<Uint8Array> | AsyncIterable<Uint8Array>,
  ) {
    const hash = createHash('sha256')
    let written = 0
    const file = await open(path, 'wx', 0o600)
    try {
      for await (const chunk of chunks) {
        written += chunk.length
        if (written > size) throw mismatch()
        hash.update(chunk)
        // Unlike `write`, it goes on until all of it is written: on a disk that fills up that makes the difference.
        await file.writeFile(chunk)
      }
      if (written !== size || hash.digest('hex') !== sha256) throw mismatch()
      await file.sync()
    } finally {
      await file.close()
    }
  }

  private async syncDirectory() {
    const directory = await open(this.directory, 'r')
    try {
      await directory.sync()
    } finally {
      await directory.close()
    }
  }

  private remember({ sha256, mimetype, size }: MediaInfo, reservedUntil: number) {
    return this.journal.write(() => {
      this.journal.run(
        `INSERT INTO media (sha256, mimetype, size, at, reserved_until) VALUES (?, ?, ?, ?, ?)
         ON CONFLICT DO UPDATE SET at = excluded.at, reserved_until = max(reserved_until, excluded.reserved_until)`,
        sha256,
        mimetype,
        size,
        this.clock(),
        reservedUntil,
      )
    })
  }

  private async remove(hashes: string[]) {
    if (hashes.length === 0) return
    await this.journal.write(() => {
      for (const sha256 of hashes) this.journal.run('DELETE FROM media WHERE sha256 = ?', sha256)
    })
    for (const sha256 of hashes) await rm(this.path(sha256), { force: true })
  }

  private info(sha256: string): MediaInfo | undefined {
    return this.journal.get<MediaInfo>('SELECT sha256, mimetype, size FROM media WHERE sha256 = ?', sha256)
  }

  private path(sha256: string): string {
    return join(this.directory, checkHash(sha256))
  }

  private async sweepNowAndThen(signal: AbortSignal) {
    while (!signal.aborted) {
      await this.sweep().catch((err: unknown) => this.log.error({ err }, 'media.sweep_failed'))
      await sleep(SWEEP_MS, signal)
    }
  }
}

const unreferenced = `SELECT sha256 FROM media WHERE reserved_until < ?
  AND NOT EXISTS (SELECT 1 FROM media_refs WHERE media_refs.sha256 = media.sha256)`

function checkHash(sha256: string): string {
  if (!/^[0-9a-f]{64}$/.test(sha256)) throw new AppError('invalid', 'That is not a SHA-256 in lower-case hex.')
  return sha256
}

const missing = (cause?: unknown) =>
  new AppError('not_found', 'The session node does not have this file.', { reason: 'media_missing', cause })
const mismatch = () =>
  new AppError('invalid', 'The file is not what was announced: size or SHA-256 differ.', {
    reason: 'media_hash_mismatch',
  })

function translated(error: unknown): unknown {
  if (!['ENOSPC', 'EDQUOT'].includes(String((error as { code?: unknown }).code))) return error
  return new AppError('storage_full', 'The disk of the session node is full.', { cause: error, retryAfterMs: 30_000 })
}
