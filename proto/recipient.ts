/** Who a message goes to: phone numbers and chat ids in one form each. No I/O. */
import { parsePhoneNumberFromString } from 'libphonenumber-js/min'
import { AppError } from '../runtime/app-error.js'

export interface Recipient {
  /** E.164 for a phone number, the chat id otherwise. */
  to: string
  chatId: string
}

const chatId = /^(?:[0-9]{5,20}@c\.us|[0-9]{5,25}(?:-[0-9]{5,15})?@g\.us|[0-9]{5,25}@lid|[0-9]{5,25}@newsletter)$/
const forgiven = /^\+?[\d\s().\-/]+$/u

/**
 * The digits of a phone number: international, with or without `+` (or `00`), blanks and dashes forgiven. Ranges that
 * libphonenumber does not know pass, because new ones appear before its next release.
 * Throws `invalid` (`invalid_number`).
 */
export function phoneDigits(text: string): string {
  const trimmed = text.trim()
  const plain = trimmed.replace(/\D/g, '').replace(/^00/, '')
  if (!forgiven.test(trimmed) || plain.length < 6 || plain.startsWith('0')) throw invalidNumber()
  // Knows what the digits do not say, such as the (0) that people write after the country code.
  const international = `+${trimmed.replace(/^\+|^00/, '')}`
  const parsed = parsePhoneNumberFromString(international, { extract: false })
  const digits = parsed ? parsed.number.slice(1) : plain
  if (digits.length > 15) throw invalidNumber()
  return digits
}

/** A phone number or a chat id, as callers write it. Throws `invalid` (`invalid_number`). */
export function parseRecipient(text: string): Recipient {
  const trimmed = text.trim()
  if (trimmed.includes('@')) {
    if (!chatId.test(trimmed)) throw invalidNumber()
    const phone = trimmed.endsWith('@c.us') ? `+${trimmed.slice(0, -'@c.us'.length)}` : undefined
    return { to: phone ?? trimmed, chatId: trimmed }
  }
  const digits = phoneDigits(trimmed)
  return { to: `+${digits}`, chatId: `${digits}@c.us` }
}

/** How people see a chat id: the phone number where it is one. */
export function shownChat(id: string): string {
  const phone = /^([0-9]+)@c\.us$/.exec(id)?.[1]
  return phone ? `+${phone}` : id
}

/** Without what was given: error answers end up in the logs of others. */
function invalidNumber(): AppError {
  return new AppError(
    'invalid',
    'That is neither an international phone number nor a chat id (…@c.us, …@g.us, …@lid, …@newsletter).',
    { reason: 'invalid_number' },
  )
}
