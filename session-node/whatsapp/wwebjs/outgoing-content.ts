import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { extension } from 'mime-types'
import { mediaOf, type Contact, type Content, type Media } from '../../../proto/contract.js'
import type { Reason } from '../../../proto/reasons.js'
import { AppError } from '../../../runtime/app-error.js'
import type { MediaStore } from '../../media/media-store.js'
import { Location, MessageMedia, Poll, type SendContent, type SendOptions } from './library.js'

/** A content in the library's words. */
export interface Prepared {
  content: SendContent
  options: SendOptions
  /** What goes into the message object itself, past the library's own reading of it. */
  extra: Record<string, unknown>
  /** Of the file; decides how long the upload may take. */
  bytes: number
}

/** Throws AppErrors whose `reason` is the message's: `media_missing`, `not_supported`. */
export async function prepareContent(content: Content, files: MediaStore): Promise<Prepared> {
  const media = mediaOf(content)
  const prepared: Prepared = { content: '', options: {}, extra: {}, bytes: media?.size ?? 0 }
  switch (content.type) {
    case 'text':
      // Read as it is, even when it begins like a contact card.
      return { ...prepared, content: content.text.body, options: { parseVCards: false } }
    case 'location': {
      const { latitude, longitude, name, address } = content.location
      const named = { ...(name !== undefined && { name }), ...(address !== undefined && { address }) }
      return { ...prepared, content: new Location(latitude, longitude, named) }
    }
    case 'poll': {
      const { question, options, multiple } = content.poll
      const poll = new Poll(question, options, { allowMultipleAnswers: multiple, messageSecret: undefined })
      return { ...prepared, content: poll }
    }
    case 'contacts':
      return { ...prepared, extra: cards(content.contacts) }
    case 'image':
    case 'video':
    case 'audio':
    case 'voice':
    case 'document':
    case 'sticker':
      return prepareMedia(prepared, content.type, media as Media, files)
    case 'reaction':
    case 'unsupported':
      throw refused('not_supported', 'This kind of message cannot be sent.')
  }
}

async function prepareMedia(
  prepared: Prepared,
  type: 'image' | 'video' | 'audio' | 'voice' | 'document' | 'sticker',
  media: Media,
  files: MediaStore,
): Promise<Prepared> {
  if (type === 'sticker') await checkSticker(media.mimetype)
  const bytes = await readStored(media.sha256, files)
  const mimetype = type === 'voice' ? voiceMimetype(media.mimetype) : media.mimetype
  const name = media.filename ?? `file.${extension(media.mimetype) || 'bin'}`
  return {
    ...prepared,
    bytes: bytes.length,
    content: new MessageMedia(mimetype, bytes.toString('base64'), name, bytes.length),
    options: {
      ...(media.caption !== undefined && { caption: media.caption }),
      ...(type === 'voice' && { sendAudioAsVoice: true }),
      ...(type === 'document' && { sendMediaAsDocument: true }),
      ...(type === 'sticker' && { sendMediaAsSticker: true }),
    },
  }
}

async function readStored(sha256: string, files: MediaStore): Promise<Buffer> {
  try {
    return await readFile(await files.pathOf(sha256))
  } catch (thrown) {
    throw refused('media_missing', 'The file of this message is gone.', thrown)
  }
}

/** Phones play a voice message only with its codec named. */
function voiceMimetype(mimetype: string): string {
  return mimetype === 'audio/ogg' || mimetype === 'application/ogg' ? 'audio/ogg; codecs=opus' : mimetype
}

/** Pictures become stickers in the page. Videos need ffmpeg, which takes the format from the type: few are let in. */
async function checkSticker(mimetype: string): Promise<void> {
  if (mimetype.startsWith('image/')) return
  if (!/^video\/(mp4|webm|quicktime)$/.test(mimetype))
    throw refused('not_supported', `No sticker is made of ${mimetype}.`)
  if (!(await hasFfmpeg())) throw refused('not_supported', 'Video stickers need ffmpeg on the session node.')
}

function hasFfmpeg(): Promise<boolean> {
  return new Promise((resolve) => {
    execFile('ffmpeg', ['-version'], { timeout: 5_000 }, (problem) => resolve(problem === null))
  })
}

/** One contact is a card, several are a list of them. */
function cards(contacts: Contact[]): Record<string, unknown> {
  const list = contacts.map((contact) => ({ displayName: contact.name, vcard: contact.vcard ?? vcardOf(contact) }))
  const [only] = list
  if (list.length === 1 && only) return { type: 'vcard', body: only.vcard, vcardFormattedName: only.displayName }
  return { type: 'multi_vcard', body: null, vcardList: list }
}

function vcardOf({ name, phones }: Contact): string {
  const escaped = name.replace(/[\\;,]/g, '\\$&').replace(/\r?\n/g, ' ')
  const numbers = phones.map((phone) => phone.replace(/\D/g, ''))
  return [
    'BEGIN:VCARD',
    'VERSION:3.0',
    `N:;${escaped};;;`,
    `FN:${escaped}`,
    ...numbers.map((digits) => `TEL;type=CELL;waid=${digits}:+${digits}`),
    'END:VCARD',
  ].join('\n')
}

function refused(reason: Reason, message: string, cause?: unknown): AppError {
  return new AppError('not_supported', message, { reason, cause })
}
