import type { Media, MediaType } from '../../proto/contract.js'
import type { NodeClient } from '../../proto/node-client.js'
import { AppError } from '../../runtime/app-error.js'
import type { Html } from '../telegram/html.js'
import type { Outbox } from '../telegram/outbox.js'
import { replyTo } from '../telegram/talk.js'

/** Telegram takes no larger files from bots; photos have a limit of their own. */
const UPLOAD_LIMIT = 50 * 2 ** 20
const PHOTO_LIMIT = 10 * 2 ** 20
export const CAPTION_LIMIT = 1_024

const extensions: Record<string, string> = {
  'image/jpeg': 'jpg',
  'image/png': 'png',
  'image/webp': 'webp',
  'image/gif': 'gif',
  'video/mp4': 'mp4',
  'audio/ogg': 'ogg',
  'audio/mpeg': 'mp3',
  'audio/mp4': 'm4a',
  'application/pdf': 'pdf',
}

const fallbackNames: Record<MediaType, string> = {
  image: 'photo',
  video: 'video',
  audio: 'audio',
  voice: 'voice',
  document: 'document',
  sticker: 'sticker',
}

/** Why a file is not relayed, as words for the chat; null when it is. */
export function whyNoFile({ missing, size }: Media): string | null {
  if (missing) return `the file is missing: ${missing.replaceAll('_', ' ')}`
  if (size > UPLOAD_LIMIT) return `the file has ${Math.ceil(size / 2 ** 20)} MB, and Telegram takes 50 from bots`
  return null
}

/** The bytes of a file on a node. Throws `internal` when they are not those that were announced. */
export async function fetchMedia({ sha256, size }: Media, node: NodeClient): Promise<Buffer> {
  const { info, chunks } = await node.downloadMedia(sha256)
  const parts: Buffer[] = []
  for await (const chunk of chunks) parts.push(chunk)
  const bytes = Buffer.concat(parts)
  if (bytes.length !== info.size || bytes.length > Math.max(size, UPLOAD_LIMIT)) {
    throw new AppError('unavailable', 'The file did not arrive whole.', { reason: 'media_cut' })
  }
  return bytes
}

export interface MediaMessage {
  type: MediaType
  media: Media
  bytes: Buffer
  caption: Html
  replyTo?: number | undefined
}

/** Sends a file as what it is in WhatsApp. Stickers have no caption. Answers the id of the message. */
export async function sendMedia(outbox: Outbox, chatId: number, message: MediaMessage): Promise<number> {
  const { type, media, bytes, caption } = message
  const file = { source: bytes, filename: fileName(type, media) }
  const words = { caption: caption.text, parse_mode: 'HTML', ...replyTo(message) } as const
  const send = () => {
    switch (type) {
      case 'image':
        return bytes.length > PHOTO_LIMIT
          ? outbox.send(chatId, 'sendDocument', { document: file, ...words })
          : outbox.send(chatId, 'sendPhoto', { photo: file, ...words })
      case 'video':
        return outbox.send(chatId, 'sendVideo', { video: file, ...words })
      case 'audio':
        return outbox.send(chatId, 'sendAudio', { audio: file, ...words })
      case 'voice':
        return outbox.send(chatId, 'sendVoice', { voice: file, ...words })
      case 'document':
        return sendDocument(outbox, chatId, message)
      case 'sticker':
        return outbox.send(chatId, 'sendSticker', { sticker: file, ...replyTo(message) })
    }
  }
  return (await send()).message_id
}

/** As a file, which Telegram takes of whatever kind it is. */
export function sendDocument(outbox: Outbox, chatId: number, message: MediaMessage) {
  const { type, media, bytes, caption } = message
  return outbox.send(chatId, 'sendDocument', {
    document: { source: bytes, filename: fileName(type, media) },
    caption: caption.text,
    parse_mode: 'HTML',
    ...replyTo(message),
  })
}

/** The name comes from a stranger and goes into the head of a form's part: quotes and line ends must not. */
export function fileName(type: MediaType, { filename, mimetype }: Media): string {
  const plain = (filename ?? '')
    .toWellFormed()

    .replace(/[\u0000-\u001f\u007f"\\/:*?<>|]+/g, '_')
    .slice(-120)
  if (plain !== '' && !/^[._\s]*$/.test(plain)) return plain
  const extension = extensions[mimetype.split(';')[0]?.trim() ?? ''] ?? 'bin'
  return `${fallbackNames[type]}.${extension}`
}
