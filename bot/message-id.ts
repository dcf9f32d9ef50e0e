import { createHash } from 'node:crypto'
import type { MessageId } from '../proto/contract.js'

const CROCKFORD = '0123456789abcdefghjkmnpqrstvwxyz'

/**
 * The id of the message that a Telegram message asks for. It follows from the Telegram message alone, so that an update
 * which arrives twice names the same message twice, and the node sends it once.
 */
export function messageIdOf(botId: number, chatId: number, telegramMessageId: number): MessageId {
  const hash = createHash('sha256').update(`telegram:${botId}:${chatId}:${telegramMessageId}`).digest()
  let bits = 0n
  for (const byte of hash.subarray(0, 16)) bits = (bits << 8n) | BigInt(byte)
  let text = ''
  // 26 characters of 5 bits hold 128 bits and two that are always zero, as in every ULID.
  for (let i = 0; i < 26; i += 1) {
    text = `${CROCKFORD[Number(bits & 31n)]}${text}`
    bits >>= 5n
  }
  return `msg_${text}`
}
