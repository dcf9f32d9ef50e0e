import { createHash } from 'node:crypto'

/**
 * The WhatsApp id of a message of ours, chosen before it is sent and the same for its whole life: '3EB0' (as WhatsApp
 * Web's own ids begin) and the first 18 hex digits of SHA-256 of our id.
 */
export function waMessageId(messageId: string): string {
  return `3EB0${createHash('sha256').update(messageId).digest('hex').slice(0, 18).toUpperCase()}`
}
