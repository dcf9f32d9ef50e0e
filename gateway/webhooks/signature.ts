/** Proof of who sent a request: Standard Webhooks, and the header that receivers for GitHub check. No I/O. */
import { createHmac, randomBytes } from 'node:crypto'
import type { Signature } from './webhook.js'

const PREFIX = 'whsec_'

export function newSecret(): string {
  return PREFIX + randomBytes(32).toString('base64')
}

export interface Signed {
  id: string
  /** ms since the epoch. */
  at: number
  body: Buffer
}

/** The newest secret first; each signs, so that a receiver may hold any of them. */
export function signatureHeaders(kind: Signature, secrets: readonly string[], { id, at, body }: Signed) {
  const timestamp = String(Math.floor(at / 1_000))
  const sign = (secret: string) =>
    createHmac('sha256', Buffer.from(secret.slice(PREFIX.length), 'base64'))
      .update(`${id}.${timestamp}.`)
      .update(body)
      .digest('base64')
  const headers: Record<string, string> = {
    'webhook-id': id,
    'webhook-timestamp': timestamp,
    'webhook-signature': secrets.map((secret) => `v1,${sign(secret)}`).join(' '),
  }
  const [newest] = secrets
  if (kind === 'hub' && newest !== undefined) {
    // It has room for one signature.
    headers['x-hub-signature-256'] = `sha256=${createHmac('sha256', newest).update(body).digest('hex')}`
  }
  return headers
}
