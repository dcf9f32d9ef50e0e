import { createHash, randomBytes } from 'node:crypto'

/** `4915…@c.us` from a number as people write it, or an id that is one already. Groups stay as they are. */
export function toId(person: string): string {
  if (person.includes('@')) return person.replace('@s.whatsapp.net', '@c.us')
  const number = person.replace(/[^\d]/g, '')
  if (number === '') throw new Error(`Not a phone number: ${person}`)
  return `${number}@c.us`
}

export function numberOf(id: string): string {
  return id.slice(0, id.indexOf('@'))
}

export function isGroup(id: string): boolean {
  return id.endsWith('@g.us')
}

/** The LID that goes with a number: the same at each run, and nothing like the number. */
export function lidFor(number: string): string {
  const digest = createHash('sha256').update(`lid of ${number}`).digest()
  return `${(digest.readBigUInt64BE() % 900_000_000_000_000n) + 100_000_000_000_000n}@lid`
}

/** An id as an iPhone makes them. */
export function newMessageId(): string {
  return `3A${randomBytes(9).toString('hex').toUpperCase()}`
}

export function newGroupId(): string {
  return `120363${String(randomBytes(6).readUIntBE(0, 6)).padStart(12, '0').slice(0, 12)}@g.us`
}

/** What a QR code refers to: a page that waits. */
export function newRef(): string {
  return `2@${randomBytes(48).toString('base64')}`
}

/** Eight characters that people can type without mistaking one for another. */
export function newPairingCode(): string {
  const alphabet = '123456789ABCDEFGHJKLMNPQRSTVWXYZ'
  return [...randomBytes(8)].map((byte) => alphabet[byte % alphabet.length]).join('')
}

export function sha256(bytes: Buffer | string): string {
  return createHash('sha256').update(bytes).digest('hex')
}
