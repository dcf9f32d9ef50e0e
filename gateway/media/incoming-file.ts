/** A file on its way to the disk: counted, hashed and recognised while it is written, cut at the limit of its kind. */
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { type FileHandle, open, rm } from 'node:fs/promises'
import { Writable } from 'node:stream'
import { fileTypeFromBuffer, fileTypeFromFile } from 'file-type'
import { lookup as typeOfName } from 'mime-types'
import { type MediaType, mediaLimits } from '../../proto/contract.js'
import { AppError } from '../../runtime/app-error.js'
import { kindOf, tooLarge, unreadable } from './media-kind.js'

/** What file-type wants to see of a file to recognise it. */
const HEAD_BYTES = 4_100
const MAX_FROM_WHATSAPP = 2 * 2 ** 30
const MAX_BYTES = Math.max(...Object.values(mediaLimits))

export interface WrittenFile {
  path: string
  sha256: string
  size: number
  mimetype: string
}

export interface IncomingFileOptions {
  path: string
  /** As what it will be sent; from its first bytes unless given. */
  kind?: MediaType | undefined
  /** What the sender says it is, for kinds that have no magic bytes (text, CSV …). */
  declared?: string | undefined
  filename?: string | undefined
  /** From a session node: taken as it is, up to the largest size that WhatsApp knows. */
  trusted?: boolean
}

export class IncomingFile extends Writable {
  private readonly hash = createHash('sha256')
  private head = Buffer.alloc(0)
  private headRead = false
  private size = 0
  private limit: number
  private file: FileHandle | undefined
  private result: WrittenFile | undefined

  constructor(private readonly options: IncomingFileOptions) {
    super({ highWaterMark: 1 << 20 })
    this.limit = options.trusted ? MAX_FROM_WHATSAPP : options.kind ? mediaLimits[options.kind] : MAX_BYTES
  }

  /** What was written. Only after `finish`. */
  get written(): WrittenFile {
    if (!this.result) throw new Error('The file is not written yet')
    return this.result
  }

  /** Nothing of it stays, written or not. */
  async discard(): Promise<void> {
    this.destroy()
    // A stream that breaks while it is being ended has ended.
    if (!this.closed) await once(this, 'close').catch(() => undefined)
    await rm(this.options.path, { force: true })
  }

  override _construct(done: (error?: Error | null) => void): void {
    open(this.options.path, 'wx', 0o600).then((file) => {
      this.file = file
      done()
    }, done)
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    this.take(chunk).then(() => done(), done)
  }

  private async take(chunk: Buffer): Promise<void> {
    this.size += chunk.length
    if (!this.headRead) {
      this.head = Buffer.concat([this.head, chunk.subarray(0, HEAD_BYTES - this.head.length)])
      if (this.head.length === HEAD_BYTES) await this.readHead()
    }
    if (this.size > this.limit) throw tooLarge(this.limit)
    this.hash.update(chunk)
    await this.file?.writeFile(chunk)
  }

  private async readHead(): Promise<void> {
    this.headRead = true
    if (this.options.kind || this.options.trusted) return
    const found = await fileTypeFromBuffer(this.head)
    this.limit = mediaLimits[kindOf(found?.mime ?? '')]
  }

  override _final(done: (error?: Error | null) => void): void {
    this.close().then(() => done(), done)
  }

  private async close(): Promise<void> {
    if (this.size === 0 && !this.options.trusted) throw unreadable('The file is empty.')
    if (!this.headRead) await this.readHead()
    if (this.size > this.limit) throw tooLarge(this.limit)
    await this.file?.sync()
    await this.file?.close()
    this.file = undefined
    const { path, trusted, declared } = this.options
    const mimetype = trusted ? (declared ?? '') : await this.recognise()
    this.result = { path, sha256: this.hash.digest('hex'), size: this.size, mimetype }
  }

  private async recognise(): Promise<string> {
    const found = await fileTypeFromFile(this.options.path)
    if (found) return found.mime
    const { declared, filename } = this.options
    const type = /^[\w.+-]{1,63}\/[\w.+-]{1,63}$/.exec((declared ?? '').split(';')[0]?.trim().toLowerCase() ?? '')?.[0]
    const said = type && type !== 'application/octet-stream' ? type : typeOfName(filename ?? '') || undefined
    // Every picture, film and sound that can be sent has magic bytes. What only claims to be one cannot be shown.
    if (said && kindOf(said) !== 'document')
      throw unreadable(`The file says it is ${said}, but it cannot be read as that.`)
    return said ?? 'application/octet-stream'
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    const file = this.file
    this.file = undefined
    Promise.resolve(file?.close())
      .then(() => (this.result ? undefined : rm(this.options.path, { force: true })))
      .then(
        () => done(error && toStorageError(error)),
        (cleaning: Error) => done(error ?? cleaning),
      )
  }
}

function toStorageError(error: Error & { code?: unknown }): Error {
  if (error.code !== 'ENOSPC' && error.code !== 'EDQUOT') return error
  return new AppError('storage_full', 'The disk of the gateway is full.', { cause: error, retryAfterMs: 30_000 })
}
