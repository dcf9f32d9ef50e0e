import { monotonicFactory } from 'ulid'

const ulid = monotonicFactory()

/** A new id: prefix plus lower-case ULID, ordered by the time it was made (`ses_01j9…`). */
export function newId<Prefix extends string>(prefix: Prefix): `${Prefix}_${string}` {
  return `${prefix}_${ulid().toLowerCase()}`
}

/** True when the text has the shape of an id with this prefix. */
export function isId<Prefix extends string>(prefix: Prefix, text: string): text is `${Prefix}_${string}` {
  return text.startsWith(`${prefix}_`) && /^[0-9a-hjkmnp-tv-z]{26}$/.test(text.slice(prefix.length + 1))
}
