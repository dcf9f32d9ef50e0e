/** Which files may be sent as what, and how large they may be. No I/O. */
import { type MediaType, mediaLimits } from '../../proto/contract.js'
import { AppError } from '../../runtime/app-error.js'

/** What a file is sent as when nobody says. */
export function kindOf(mimetype: string): MediaType {
  if (/^image\/(?:jpeg|png|gif|webp|avif|heic|heif|bmp|tiff)$/.test(mimetype)) return 'image'
  if (/^video\/(?:mp4|3gpp|quicktime|webm|x-matroska)$/.test(mimetype)) return 'video'
  if (mimetype.startsWith('audio/')) return 'audio'
  return 'document'
}

/** Whether a file with this content can be sent as this kind. */
export function fits(kind: MediaType, mimetype: string): boolean {
  switch (kind) {
    case 'image':
    case 'sticker':
      return kindOf(mimetype) === 'image'
    case 'video':
      return kindOf(mimetype) === 'video'
    case 'audio':
    case 'voice':
      // Browsers record voice into WebM, and Ogg and MP4 hold sound as well as pictures.
      return /^audio\//.test(mimetype) || /^(?:video\/(?:webm|mp4|ogg)|application\/ogg)$/.test(mimetype)
    case 'document':
      return true
  }
}

/** Throws `too_large` (`media_too_large`) or `unsupported_type` (`media_type_mismatch`). */
export function checkFits(kind: MediaType, { mimetype, size }: { mimetype: string; size: number }): void {
  if (size > mediaLimits[kind]) throw tooLarge(mediaLimits[kind])
  if (!fits(kind, mimetype)) {
    throw new AppError('unsupported_type', `A file of type ${mimetype} cannot be sent as ${kind}.`, {
      reason: 'media_type_mismatch',
    })
  }
}

export function tooLarge(limit: number): AppError {
  return new AppError('too_large', `The file is larger than ${limit / 2 ** 20} MiB, which is the limit for its kind.`, {
    reason: 'media_too_large',
  })
}

export function unreadable(why: string): AppError {
  return new AppError('unprocessable', why, { reason: 'media_unreadable' })
}
