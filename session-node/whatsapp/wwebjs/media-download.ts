import { mediaLimits, type Media } from '../../../proto/contract.js'
import { sleep } from '../../../runtime/clock.js'
import type { Logger } from '../../../runtime/log.js'
import type { MediaStore } from '../../media/media-store.js'
import { oneLine } from './deadline.js'
import type { RawMessage } from './incoming-content.js'
import type { PageApi } from './page-api.js'

/** What one message to Node carries: one piece must not hold up the other sessions of this process. */
const pieceBytes = 2 * 2 ** 20
const largest = Math.max(...Object.values(mediaLimits))
const atOnce = 2

/** Brings the files of messages from WhatsApp Web to the node's disk. */
export class MediaDownload {
  readonly #waiting: (() => void)[] = []
  /** Fetched in this life: a look back asks for the same files again. */
  readonly #kept = new Set<string>()
  #running = 0
  #handle = 0

  constructor(
    private readonly page: PageApi,
    private readonly files: MediaStore,
    private readonly signal: AbortSignal,
    private readonly log: Logger,
  ) {}

  /**
   * The file of a message. WhatsApp says its hash beforehand, so that the message can be told at once while the file is
   * on its way; only without it the file has to be here first. Never rejects: what goes wrong is `missing`.
   */
  of(raw: RawMessage): Media | Promise<Media> {
    const key = raw.switchboard?.key
    const media: Media = {
      sha256: '',
      mimetype: raw.mimetype ?? 'application/octet-stream',
      size: Number(raw.size ?? 0),
      ...(raw.filename !== undefined && { filename: raw.filename }),
      ...(raw.caption !== undefined && raw.caption !== '' && { caption: raw.caption }),
      ...(Number(raw.duration) > 0 && { seconds: Number(raw.duration) }),
    }
    if (raw.directPath === undefined || key === undefined) {
      return { ...media, missing: 'WhatsApp does not have the file any more.' }
    }
    if (media.size > largest) return { ...media, missing: 'The file is larger than this node takes.' }
    const sha256 = hexOf(raw.filehash)
    if (sha256 === undefined) return this.#download(key, media)
    const arriving = this.#download(key, media, sha256)
    this.files.expect(sha256, arriving)
    return { ...media, sha256 }
  }

  async #download(key: string, media: Media, sha256?: string): Promise<Media> {
    await this.#turn()
    try {
      if (sha256 !== undefined && this.#kept.has(sha256)) return { ...media, sha256 }
      const kept = await this.#fetch(key, media)
      if (kept.missing === undefined) remember(this.#kept, kept.sha256)
      if (sha256 === undefined || kept.sha256 === sha256) return kept
      return { ...media, missing: 'The file was damaged on its way.' }
    } catch (thrown) {
      this.log.warn({ problem: oneLine(thrown), bytes: media.size }, 'media.download_failed')
      return { ...media, missing: 'The file could not be read from WhatsApp.' }
    } finally {
      this.#running -= 1
      this.#waiting.shift()?.()
    }
  }

  async #fetch(key: string, media: Media): Promise<Media> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await this.#fetchOnce(key, media)
      } catch (thrown) {
        if (attempt === 2 || this.signal.aborted) throw thrown
        await sleep(2_000, this.signal)
      }
    }
  }

  async #fetchOnce(key: string, media: Media): Promise<Media> {
    this.#handle += 1
    const handle = this.#handle
    const limit = 30_000 + Math.ceil(media.size / 2 ** 20) * 4_000
    const found = await this.page.downloadFile(key, handle, limit)
    if ('missing' in found) return { ...media, missing: found.missing }
    try {
      if (found.size > largest) return { ...media, missing: 'The file is larger than this node takes.' }
      const pieces: Buffer[] = []
      for (let from = 0; from < found.size; from += pieceBytes) {
        pieces.push(Buffer.from(await this.page.readPiece(handle, from, from + pieceBytes), 'base64'))
      }
      return { ...media, ...(await this.files.put(Buffer.concat(pieces), media.mimetype)) }
    } finally {
      // A page that does not answer any more takes the file with it.
      await this.page.dropFile(handle).catch(() => undefined)
    }
  }

  async #turn(): Promise<void> {
    if (this.#running >= atOnce) await new Promise<void>((resolve) => this.#waiting.push(resolve))
    this.#running += 1
  }
}

/** WhatsApp gives hashes in base64. */
function hexOf(filehash: string | undefined): string | undefined {
  if (filehash === undefined) return undefined
  const bytes = Buffer.from(filehash, 'base64')
  return bytes.length === 32 ? bytes.toString('hex') : undefined
}

function remember(kept: Set<string>, sha256: string): void {
  kept.add(sha256)
  if (kept.size <= 1_000) return
  for (const oldest of kept) {
    kept.delete(oldest)
    return
  }
}
