import { parsePhoneNumberFromString } from 'libphonenumber-js/max'
import type { MessageEntity } from 'telegraf/types'
import { AppError } from '../../runtime/app-error.js'
import { parseRecipient, phoneDigits, type Recipient } from '../../proto/recipient.js'

export interface ParsedCommand {
  name: string
  /** What follows the command, as typed. */
  text: string
}

/** The command that a text or caption begins with; null when it is none, or meant for another bot. */
export function parseCommand(
  text: string | undefined,
  entities: MessageEntity[] | undefined,
  botName: string,
): ParsedCommand | null {
  const first = entities?.find(({ type, offset }) => type === 'bot_command' && offset === 0)
  // Captions of forwarded media come without entities; the slash says it as well.
  const word = first ? text?.slice(0, first.length) : /^\/\w+(@\w+)?(?=\s|$)/.exec(text ?? '')?.[0]
  if (!text || !word) return null
  const [name = '', bot] = word.slice(1).split('@')
  if (bot !== undefined && bot.toLowerCase() !== botName.toLowerCase()) return null
  return { name: name.toLowerCase(), text: text.slice(word.length).trim() }
}

/** The words of a command, at most `limit`; the last one holds the rest. */
export function words(text: string, limit = Infinity): string[] {
  const found: string[] = []
  let rest = text.trim()
  while (rest !== '') {
    const word = found.length + 1 < limit ? /^\S+/.exec(rest)?.[0] : rest
    if (word === undefined) break
    found.push(word)
    rest = rest.slice(word.length).trim()
  }
  return found
}

export interface SendRequest {
  session?: string
  recipient: Recipient
  text: string
}

/** Reads `[session] <number> <text>`. The number may be written with blanks and dashes. Throws `invalid`. */
export function parseSend(text: string, usage: string): SendRequest {
  const [head = '', ...tail] = words(text, 2)
  const named = !looksLikeRecipient(head)
  const rest = named ? (tail[0] ?? '') : text.trim()
  if (head === '' || rest === '') throw new AppError('invalid', `Usage: ${usage}`)
  const { recipient, text: body } = takeRecipient(rest)
  return { ...(named ? { session: head } : {}), recipient, text: body }
}

function looksLikeRecipient(word: string): boolean {
  return /^[+(]?[\d(]/.test(word) || word.includes('@')
}

/**
 * A number written in one piece ends there: `+4915112345678 42 is the answer` says 42. One written in groups goes on for
 * as long as it makes a better number: `+49 151 1234 5678 42 is the answer` says the same to the same.
 */
function takeRecipient(text: string): { recipient: Recipient; text: string } {
  const [first = '', after = ''] = words(text, 2)
  const candidates = [{ number: first, rest: after }]
  for (let { number, rest } = { number: first, rest: after }; !first.includes('@') && digitsIn(first) < 9;) {
    const [next = '', later = ''] = words(rest, 2)
    if (!/^[\d().\-/]+$/.test(next) || digitsIn(number) + digitsIn(next) > 15) break
    number += ` ${next}`
    rest = later
    candidates.push({ number, rest })
  }
  const taken = candidates.findLast(({ number }) => isKnownNumber(number)) ?? candidates.at(-1) ?? candidates[0]
  return { recipient: parseRecipient(taken?.number ?? first), text: taken?.rest ?? after }
}

function digitsIn(text: string): number {
  return text.replace(/\D/g, '').length
}

function isKnownNumber(text: string): boolean {
  return parsePhoneNumberFromString(`+${text.replace(/^\+|^00/, '')}`, { extract: false })?.isValid() ?? false
}

/** The digits of a phone number. Throws `invalid`. */
export function parsePhone(text: string): string {
  return phoneDigits(text)
}
