import { createHash } from 'node:crypto'
import { type Content, mediaContent, mediaLimits } from '../../proto/contract.js'
import type { NodeClient } from '../../proto/node-client.js'
import { AppError } from '../../runtime/app-error.js'
import { type TelegramApi, TelegramCallError } from '../telegram/telegram-api.js'
import type { TelegramFile } from './telegram-content.js'

/** Bots get no larger files from Telegram. */
const TELEGRAM_LIMIT = 20 * 2 ** 20
const DOWNLOAD_MS = 60_000

/** Brings a file from Telegram to a session node. */
export class MediaCourier {
  constructor(private readonly api: TelegramApi) {}

  /** Answers the content to send. Throws `too_large`, and `unavailable` when Telegram does not hand the file out. */
  async carry(file: TelegramFile, caption: string, node: NodeClient): Promise<Content> {
    const limit = Math.min(TELEGRAM_LIMIT, mediaLimits[file.type])
    if ((file.size ?? 0) > limit) throw tooLarge(limit)
    const bytes = await this.download(file.fileId, limit)
    const sha256 = createHash('sha256').update(bytes).digest('hex')
    await node.uploadMedia({ sha256, size: bytes.length, mimetype: file.mimetype }, once(bytes))
    return mediaContent(file.type, {
      sha256,
      mimetype: file.mimetype,
      size: bytes.length,
      ...(file.filename ? { filename: file.filename } : {}),
      ...(caption ? { caption } : {}),
      ...(file.seconds ? { seconds: file.seconds } : {}),
    })
  }

  private async download(fileId: string, limit: number): Promise<Buffer> {
    try {
      const { file_path: path } = await this.api.call('getFile', { file_id: fileId })
      if (!path) throw new AppError('unavailable', 'Telegram does not hand the file out.')
      const response = await fetch(this.api.fileUrl(path), { signal: AbortSignal.timeout(DOWNLOAD_MS) })
      if (!response.ok || !response.body) throw new AppError('unavailable', 'Telegram does not hand the file out.')
      const chunks: Uint8Array[] = []
      let size = 0
      for await (const chunk of response.body as AsyncIterable<Uint8Array>) {
        size += chunk.length
        if (size > limit) throw tooLarge(limit)
        chunks.push(chunk)
      }
      return Buffer.concat(chunks)
    } catch (error) {
      if (error instanceof AppError) throw error
      if (error instanceof TelegramCallError && error.description.includes('file is too big')) throw tooLarge(limit)
      // Not as a cause: the address of the file, which an error of fetch may tell, holds the token.
      throw new AppError('unavailable', 'The file could not be fetched from Telegram.', { reason: 'download_failed' })
    }
  }
}

async function* once(bytes: Buffer): AsyncGenerator<Uint8Array> {
  yield await Promise.resolve(bytes)
}

function tooLarge(limit: number): AppError {
  return new AppError(
    'too_large',
    `The file is too large: Telegram and WhatsApp take up to ${limit / 2 ** 20} MB here.`,
  )
}
