/** Files in a bucket of S3-compatible storage: what one gateway keeps, every other one reads. */
import { createReadStream } from 'node:fs'
import { rm } from 'node:fs/promises'
import { Readable } from 'node:stream'
import type { S3Client, S3ServiceException } from '@aws-sdk/client-s3'
import { AppError } from '../../runtime/app-error.js'
import { sleep } from '../../runtime/clock.js'
import { isId } from '../../runtime/ids.js'
import type { Logger } from '../../runtime/log.js'
import { SettingsError } from '../../runtime/settings.js'
import type { MediaId } from '../messages/message.js'
import type { ByteRange } from './byte-range.js'
import type { WrittenFile } from './incoming-file.js'
import type { StoreOperation } from './media-metrics.js'
import { gone, type KeptFile, type MediaStore, nameOf } from './media-store.js'

export interface S3Settings {
  /** AWS's own unless given. */
  endpoint?: string | undefined
  region: string
  bucket: string
  /** Before every name: '' or 'something/'. */
  prefix: string
  /** Without them, those that the machine has (its role, AWS_* variables). */
  credentials?: { accessKeyId: string; secretAccessKey: string } | undefined
  /** http://host/bucket/… instead of http://bucket.host/… */
  forcePathStyle: boolean
}

const CONNECT_MS = 5_000
/** Until the answer begins; a file may then take as long as it moves. */
const ANSWER_MS = 15_000
const IDLE_MS = 60_000
const PUT_MS = 120_000
const TRIES = 3
const REST_MS = 300
const REMOVED_AT_ONCE = 8
/** Slow readers hold one each. */
const MOST_SOCKETS = 256

type Library = typeof import('@aws-sdk/client-s3')

export class S3MediaStore implements MediaStore {
  private client: S3Client | undefined
  private library: Library | undefined

  constructor(
    private readonly settings: S3Settings,
    private readonly log: Logger,
    /** For the metrics. */
    private readonly onFailed: (operation: StoreOperation) => void = () => undefined,
  ) {}

  /** Throws SettingsError when the bucket is refused; one that does not answer now may do so later. */
  async start(): Promise<void> {
    const { endpoint, region, credentials, forcePathStyle, bucket, prefix } = this.settings
    // Loaded only where files are in a bucket: it takes 27 MB.
    this.library = await import('@aws-sdk/client-s3')
    this.client = new this.library.S3Client({
      ...{ region, forcePathStyle, maxAttempts: TRIES },
      ...(endpoint === undefined ? {} : { endpoint }),
      ...(credentials ? { credentials } : {}),
      // Newer checksums are unknown to many servers; files carry the SHA-256 that their signature is over.
      requestChecksumCalculation: 'WHEN_REQUIRED',
      responseChecksumValidation: 'WHEN_REQUIRED',
      logger: silent,
      requestHandler: {
        ...{ connectionTimeout: CONNECT_MS, socketTimeout: IDLE_MS },
        httpAgent: { keepAlive: true, maxSockets: MOST_SOCKETS },
        httpsAgent: { keepAlive: true, maxSockets: MOST_SOCKETS },
      },
    })
    try {
      await this.opened.send(
        new this.loaded.ListObjectsV2Command({ Bucket: bucket, Prefix: prefix, MaxKeys: 1 }),
        within(ANSWER_MS),
      )
      this.log.info({ bucket, endpoint, prefix }, 'media_store.ready')
    } catch (err) {
      if (!isRefused(err)) return this.log.warn({ err, bucket, endpoint }, 'media_store.unreachable')
      await this.stop()
      throw new SettingsError(
        `These settings cannot be used:\n  S3_BUCKET: ${bucket} at ${endpoint ?? 'AWS'} answers ${err.name}. ` +
          'Look at S3_ENDPOINT, S3_REGION, S3_BUCKET and the keys; the key must be allowed to list the bucket.',
        { cause: err },
      )
    }
  }

  async stop(): Promise<void> {
    this.client?.destroy()
    this.client = undefined
    return Promise.resolve()
  }

  async put(id: MediaId, written: WrittenFile): Promise<void> {
    // The library does not send a stream again: each try reads the file from its beginning.
    for (let attempt = 1; ; attempt++) {
      try {
        await this.upload(id, written)
        break
      } catch (error) {
        if (attempt === TRIES || isRefused(error)) throw this.translated(error, 'put', id)
        await sleep(REST_MS * attempt)
      }
    }
    await rm(written.path, { force: true })
  }

  private async upload(id: MediaId, { path, size, sha256 }: WrittenFile): Promise<void> {
    const body = createReadStream(path)
    const command = new this.loaded.PutObjectCommand({
      ...this.object(id),
      Body: body,
      ContentLength: size,
      // Whoever opens it past us shall not run it.
      ContentType: 'application/octet-stream',
      ChecksumSHA256: Buffer.from(sha256, 'hex').toString('base64'),
    })
    // Part of the signature: what arrives otherwise is refused, also where checksums are not known.
    command.middlewareStack.add(
      (next) => (args) => {
        const { headers } = args.request as { headers: Record<string, string> }
        headers['x-amz-content-sha256'] = sha256
        return next(args)
      },
      { step: 'build' },
    )
    try {
      await this.opened.send(command, within(PUT_MS))
    } finally {
      body.destroy()
    }
  }

  async read(id: MediaId, range?: ByteRange): Promise<Readable> {
    const late = new AbortController()
    const timer = setTimeout(() => late.abort(), ANSWER_MS)
    try {
      const part = range ? { Range: `bytes=${range.start}-${range.end}` } : {}
      const { Body } = await this.opened.send(new this.loaded.GetObjectCommand({ ...this.object(id), ...part }), {
        abortSignal: late.signal,
      })
      if (Body instanceof Readable) return Body
      throw new Error('The answer has no body')
    } catch (error) {
      throw this.translated(error, 'read', id)
    } finally {
      clearTimeout(timer)
    }
  }

  async copy(from: MediaId, to: MediaId): Promise<void> {
    const { Bucket, Key } = this.object(from)
    const source = { CopySource: `${Bucket}/${Key}` }
    try {
      await this.opened.send(new this.loaded.CopyObjectCommand({ ...this.object(to), ...source }), within(PUT_MS))
    } catch (error) {
      throw this.translated(error, 'copy', from)
    }
  }

  async remove(ids: readonly MediaId[]): Promise<void> {
    // One by one: not every server knows how to delete many at once.
    for (let at = 0; at < ids.length; at += REMOVED_AT_ONCE) {
      await Promise.all(ids.slice(at, at + REMOVED_AT_ONCE).map((id) => this.removeOne(id)))
    }
  }

  private async removeOne(id: MediaId): Promise<void> {
    try {
      await this.opened.send(new this.loaded.DeleteObjectCommand(this.object(id)), within(ANSWER_MS))
    } catch (error) {
      if (!isMissing(error)) throw this.translated(error, 'remove', id)
    }
  }

  async *olderThan(before: number): AsyncGenerator<KeptFile> {
    const { bucket: Bucket, prefix: Prefix } = this.settings
    let ContinuationToken: string | undefined
    do {
      const page = await this.opened
        .send(new this.loaded.ListObjectsV2Command({ Bucket, Prefix, ContinuationToken }), within(ANSWER_MS))
        .catch((error: unknown) => Promise.reject(this.translated(error, 'list')))
      for (const { Key = '', Size = 0, LastModified } of page.Contents ?? []) {
        const id = Key.slice(Key.lastIndexOf('/') + 1)
        // What is not named as ours is not ours.
        if (!isId('med', id) || Key !== Prefix + nameOf(id)) continue
        if (LastModified && LastModified.getTime() < before) yield { id, size: Size }
      }
      ContinuationToken = page.IsTruncated ? page.NextContinuationToken : undefined
    } while (ContinuationToken !== undefined)
  }

  private object(id: MediaId) {
    return { Bucket: this.settings.bucket, Key: this.settings.prefix + nameOf(id) }
  }

  private get loaded(): Library {
    if (!this.library) throw unavailable(new Error('the store is not open'))
    return this.library
  }

  private get opened(): S3Client {
    if (!this.client) throw unavailable(new Error('the store is not open'))
    return this.client
  }

  private translated(error: unknown, operation: StoreOperation, media?: MediaId): AppError {
    if (error instanceof AppError) return error
    if (isMissing(error)) return gone(null, error)
    this.onFailed(operation)
    this.log.warn({ err: error, operation, media }, 'media_store.failed')
    return unavailable(error)
  }
}

/** What the library says beside its errors. */
const quiet = () => undefined
const silent = { trace: quiet, debug: quiet, info: quiet, warn: quiet, error: quiet }

const within = (ms: number) => ({ abortSignal: AbortSignal.timeout(ms) })

function isAnswer(error: unknown): error is S3ServiceException {
  return error instanceof Error && '$metadata' in error
}

function isMissing(error: unknown): boolean {
  return isAnswer(error) && (error.name === 'NoSuchKey' || error.name === 'NotFound')
}

/** Asked again, it would answer the same. */
function isRefused(error: unknown): error is S3ServiceException {
  const status = isAnswer(error) ? (error.$metadata.httpStatusCode ?? 0) : 0
  return status >= 400 && status < 500 && ![408, 425, 429].includes(status)
}

function unavailable(cause: unknown): AppError {
  return new AppError('unavailable', 'The storage of files does not answer.', {
    reason: 'media_store_unavailable',
    cause,
  })
}
