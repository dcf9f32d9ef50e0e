import { createHmac, timingSafeEqual } from 'node:crypto'
import { AppError } from '../../runtime/app-error.js'
import type { Clock } from '../../runtime/clock.js'

export interface MediaLinksOptions {
  secret: () => Buffer
  /** How others reach the gateway. */
  publicUrl: () => string
  /** How long a link is good. */
  validMs: number
  clock: Clock
}

/** URLs that give one file for a while, and nothing else: no API key is in them. */
export class MediaLinks {
  constructor(private readonly options: MediaLinksOptions) {}

  /** For whoever may read the message with this file. */
  url(id: string): string {
    const { publicUrl, validMs, clock } = this.options
    const expires = clock() + validMs
    const query = new URLSearchParams({ expires: String(expires), signature: this.signature(id, expires) })
    return `${publicUrl()}/api/v1/media/${id}?${query.toString()}`
  }

  /** Throws `forbidden` (`signature_invalid`), and `gone` (`url_expired`) for an old one. */
  check(id: string, query: { expires?: unknown; signature?: unknown }): void {
    const expires = Number(query.expires)
    const given = Buffer.from(typeof query.signature === 'string' ? query.signature : '')
    const expected = Buffer.from(this.signature(id, expires))
    const isOurs = Number.isSafeInteger(expires) && given.length === expected.length && timingSafeEqual(given, expected)
    if (!isOurs) {
      throw new AppError('forbidden', 'The signature of this URL is not valid.', { reason: 'signature_invalid' })
    }
    if (expires <= this.options.clock()) {
      const message = 'This URL has expired. Use an API key, or read the event again for a new one.'
      throw new AppError('gone', message, { reason: 'url_expired' })
    }
  }

  private signature(id: string, expires: number): string {
    return createHmac('sha256', this.options.secret()).update(`media ${id} ${expires}`).digest('base64url')
  }
}
