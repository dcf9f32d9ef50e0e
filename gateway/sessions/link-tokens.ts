import { createHmac, timingSafeEqual } from 'node:crypto'
import type { SessionId } from '../../proto/contract.js'
import { AppError } from '../../runtime/app-error.js'
import type { Clock } from '../../runtime/clock.js'
import { isSessionId } from './session.js'

const VALID_MS = 15 * 60_000

export interface SignedLink {
  /** Path and query of the page. */
  path: string
  expiresAt: number
}

/** Links that open the page of one session for a while, and nothing else: no API key is in them. */
export class LinkTokens {
  constructor(
    private readonly secret: () => Buffer,
    private readonly clock: Clock,
  ) {}

  sign(id: SessionId): SignedLink {
    const expiresAt = this.clock() + VALID_MS
    const query = new URLSearchParams({ expires: String(expiresAt), signature: this.signature(id, expiresAt) })
    return { path: `/link/${id}?${query.toString()}`, expiresAt }
  }

  /** The session that the link is for, and until when. Throws `not_found` for a link that is not ours, `gone` for an old one. */
  verify(id: string, query: { expires?: unknown; signature?: unknown }): { id: SessionId; expiresAt: number } {
    const expiresAt = Number(query.expires)
    const given = Buffer.from(typeof query.signature === 'string' ? query.signature : '')
    if (!isSessionId(id) || !Number.isSafeInteger(expiresAt)) throw notOurs()
    const expected = Buffer.from(this.signature(id, expiresAt))
    if (given.length !== expected.length || !timingSafeEqual(given, expected)) throw notOurs()
    if (expiresAt <= this.clock()) {
      throw new AppError('gone', 'This link has expired. Ask for a new one.', { reason: 'link_expired' })
    }
    return { id, expiresAt }
  }

  private signature(id: SessionId, expiresAt: number): string {
    return createHmac('sha256', this.secret()).update(`${id} ${expiresAt}`).digest('base64url')
  }
}

function notOurs(): AppError {
  return new AppError('not_found', 'This link is not valid.', { reason: 'link_not_valid' })
}
