import { createHash, createHmac, randomInt, timingSafeEqual } from 'node:crypto'
import type { TenantId } from '../../proto/contract.js'

export const scopes = [
  'sessions:read',
  'sessions:write',
  'messages:read',
  'messages:send',
  'webhooks:read',
  'webhooks:write',
  'events:read',
  'admin',
] as const
export type Scope = (typeof scopes)[number]

export interface ApiKey {
  id: `key_${string}`
  tenantId: TenantId
  name: string
  /** What the row is found by. */
  lookup: string
  /** HMAC-SHA-256 of the whole key, hex. */
  hash: string
  /** The text before it was rotated, which is good until then. */
  oldLookup: string | null
  oldHash: string | null
  oldUntil: Date | null
  scopes: Scope[]
  /** Session ids it is limited to; `*` for all. */
  sessions: string[]
  /** Address ranges it may be used from; none for all. */
  cidrs: string[]
  /** Beside what its tenant may; null is as many. */
  requestsPerMinute: number | null
  expiresAt: Date | null
  lastUsedAt: Date | null
  revokedAt: Date | null
  createdAt: Date
}

const ALPHABET = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'
const LOOKUP = 12
const SECRET = 32
const CHECKSUM = 6
const shape = /^swb_([0-9A-Za-z]{12})_([0-9A-Za-z]{32})([0-9A-Za-z]{6})$/

/**
 * A new key: `swb_`, what it is found by, the secret (190 bits), and a checksum by which people, and scanners for leaked
 * secrets, recognise a whole one.
 */
export function newKey(): string {
  const random = (length: number) => Array.from({ length }, () => ALPHABET[randomInt(ALPHABET.length)]).join('')
  const body = `swb_${random(LOOKUP)}_${random(SECRET)}`
  return body + checksum(body)
}

function checksum(body: string): string {
  let rest = createHash('sha256').update(body).digest().readUInt32BE(0)
  let text = ''
  for (let i = 0; i < CHECKSUM; i++) {
    text += ALPHABET[rest % ALPHABET.length]
    rest = Math.floor(rest / ALPHABET.length)
  }
  return text
}

export function hashKey(key: string, pepper: Buffer): string {
  return createHmac('sha256', pepper).update(key).digest('hex')
}

export function sameHash(a: string, b: string): boolean {
  const [left, right] = [Buffer.from(a), Buffer.from(b)]
  return left.length === right.length && timingSafeEqual(left, right)
}

/**
 * What a key's row is found by; undefined when it claims to be of our shape and is not whole. An admin may choose a key of
 * another shape (ADMIN_API_KEY): it is found by a part of its hash.
 */
export function lookupOf(key: string, pepper: Buffer): string | undefined {
  if (!key.startsWith('swb_')) return hashKey(`lookup:${key}`, pepper).slice(0, LOOKUP)
  const parts = shape.exec(key)
  if (!parts || checksum(key.slice(0, -CHECKSUM)) !== key.slice(-CHECKSUM)) return undefined
  return parts[1]
}

/** What may be shown of a key. */
export function shownKey(lookup: string): string {
  return `swb_${lookup}…`
}
