import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto'
import type { StoredAnswer } from './idempotency-key.js'

const NONCE_BYTES = 12
const TAG_BYTES = 16

/**
 * An answer as it is kept: encrypted, because a message's text must not stand a second time outside of its table.
 * Bound to its row, so that no answer can be put under another key.
 */
export function sealAnswer(answer: StoredAnswer, id: string, key: Buffer): string {
  const nonce = randomBytes(NONCE_BYTES)
  const cipher = createCipheriv('aes-256-gcm', key, nonce).setAAD(Buffer.from(id))
  const sealed = Buffer.concat([cipher.update(JSON.stringify(answer), 'utf8'), cipher.final()])
  return Buffer.concat([nonce, cipher.getAuthTag(), sealed]).toString('base64')
}

/** Throws when it was sealed with another secret, or changed. */
export function openAnswer(text: string, id: string, key: Buffer): StoredAnswer {
  const bytes = Buffer.from(text, 'base64')
  const decipher = createDecipheriv('aes-256-gcm', key, bytes.subarray(0, NONCE_BYTES))
    .setAAD(Buffer.from(id))
    .setAuthTag(bytes.subarray(NONCE_BYTES, NONCE_BYTES + TAG_BYTES))
  const opened = Buffer.concat([decipher.update(bytes.subarray(NONCE_BYTES + TAG_BYTES)), decipher.final()])
  return JSON.parse(opened.toString('utf8')) as StoredAnswer
}
