import type { Message } from 'telegraf/types'
import type { Content, MediaType } from '../../proto/contract.js'
import { AppError } from '../../runtime/app-error.js'

/** A file that Telegram holds. */
export interface TelegramFile {
  type: MediaType
  fileId: string
  mimetype: string
  filename?: string
  size?: number
  seconds?: number
}

type File = { file_id: string; file_size?: number; mime_type?: string; file_name?: string; duration?: number }

/** The file of a message; null when it has none. Throws `unsupported_type` for kinds that WhatsApp does not have. */
export function fileOf(message: Message): TelegramFile | null {
  if ('photo' in message) {
    const largest = message.photo.at(-1)
    return largest ? described('image', largest, 'image/jpeg') : null
  }
  // An animation comes as a document as well; the animation says more.
  if ('animation' in message) return described('video', message.animation, 'video/mp4')
  if ('video' in message) return described('video', message.video, 'video/mp4')
  if ('video_note' in message) return described('video', message.video_note, 'video/mp4')
  if ('voice' in message) return described('voice', message.voice, 'audio/ogg; codecs=opus')
  if ('audio' in message) return described('audio', message.audio, 'audio/mpeg')
  if ('document' in message) return described('document', message.document, 'application/octet-stream')
  if ('sticker' in message) {
    const { is_animated: animated, is_video: video } = message.sticker
    if (animated || video) {
      throw new AppError('unsupported_type', 'WhatsApp cannot show animated Telegram stickers. Send a still one.')
    }
    return described('sticker', message.sticker, 'image/webp')
  }
  return null
}

function described(type: MediaType, file: File, mimetype: string): TelegramFile {
  // Telegram names voice messages audio/ogg; WhatsApp wants to hear of the codec, and it is always this one.
  const known = type === 'voice' || type === 'sticker' ? mimetype : (file.mime_type ?? mimetype)
  return {
    type,
    fileId: file.file_id,
    mimetype: known,
    ...(file.file_name ? { filename: file.file_name } : {}),
    ...(file.file_size ? { size: file.file_size } : {}),
    ...(file.duration ? { seconds: file.duration } : {}),
  }
}

/** What a message says without a file; null when it has a file or is a kind that WhatsApp does not have. */
export function plainContentOf(message: Message): Content | null {
  if ('venue' in message) {
    const { location, title, address } = message.venue
    return { type: 'location', location: { ...placeOf(location), name: title, address } }
  }
  if ('location' in message) return { type: 'location', location: placeOf(message.location) }
  if ('contact' in message) {
    const { first_name: first, last_name: last, phone_number: phone, vcard } = message.contact
    const name = last ? `${first} ${last}` : first
    return { type: 'contacts', contacts: [{ name, phones: [phone], ...(vcard ? { vcard } : {}) }] }
  }
  if ('poll' in message) {
    const { question, options, allows_multiple_answers: multiple } = message.poll
    return { type: 'poll', poll: { question, options: options.map(({ text }) => text), multiple } }
  }
  if ('text' in message) return { type: 'text', text: { body: message.text } }
  return null
}

function placeOf({ latitude, longitude }: { latitude: number; longitude: number }) {
  return { latitude, longitude }
}
