import { randomFillSync } from 'node:crypto'
import { encodeTime, monotonicFactory } from 'ulid'

const pool = Buffer.alloc(4_096)
let used = pool.length

/** A number from 0 to below 1. By the pool: asking for one random byte costs as much as asking for thousands. */
function random(): number {
  if (used === pool.length) {
    randomFillSync(pool)
    used = 0
  }
  return (pool[used++] ?? 0) / 256
}

const ulid = monotonicFactory(random)

/** A new id: prefix plus lower-case ULID, ordered by the time it was made (`ses_01j9…`). */
export function newId<Prefix extends string>(prefix: Prefix): `${Prefix}_${string}` {
  return `${prefix}_${ulid().toLowerCase()}`
}

/** No id that is made at this time or later comes before it. */
export function firstIdAt<Prefix extends string>(prefix: Prefix, ms: number): `${Prefix}_${string}` {
  return `${prefix}_${encodeTime(ms).toLowerCase()}${'0'.repeat(16)}`
}

/** True when the text has the shape of an id with this prefix. */
export function isId<Prefix extends string>(prefix: Prefix, text: string): text is `${Prefix}_${string}` {
  return text.startsWith(`${prefix}_`) && /^[0-9a-hjkmnp-tv-z]{26}$/.test(text.slice(prefix.length + 1))
}
