import type { MessageView } from './types.js'
import { pathOf } from './media-store.js'

/** A message as its page is told of it: with the address of its media. */
export function pageView(view: MessageView) {
  const { media, ...rest } = view
  if (!media) return rest
  const filehash = Buffer.from(media.sha256, 'hex').toString('base64')
  return { ...rest, media: { ...media, path: pathOf(media.sha256), filehash, key: filehash } }
}
