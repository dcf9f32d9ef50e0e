import type { MessageStatus } from '../../proto/contract.js'
import { explain } from '../../proto/reasons.js'
import { type Html, rich, lines } from '../telegram/html.js'
import type { SendRecord } from './send-records.js'

const acks: MessageStatus[] = ['sent', 'delivered', 'read', 'played']

/** Acks only move forward, and win over everything; what failed or is unknown stays so until one comes. */
export function movesOn(from: MessageStatus, to: MessageStatus): boolean {
  if (acks.includes(to)) return acks.indexOf(to) > acks.indexOf(from)
  if (acks.includes(from)) return false
  if (to === 'failed') return true
  return from !== 'failed'
}

/** How people see a chat: the phone number where it is one. */
export function shownChat(chatId: string): string {
  const phone = /^([0-9]+)@c\.us$/.exec(chatId)?.[1]
  return phone ? `+${phone}` : chatId
}

/** What the answer to `/send` says. */
export function sendAnswer(record: SendRecord, sessionName: string): Html {
  return lines(rich`<b>${sessionName}</b> → ${shownChat(record.waChatId)}`, statusLine(record))
}

function statusLine({ status, reason, error }: SendRecord): Html {
  const why = reason === null ? '' : explain(reason)
  switch (status) {
    case 'pending':
      return why === '' ? rich`🕓 Queued` : rich`🕓 Queued. ${why}`
    case 'sent':
      return rich`Sent ✓`
    case 'delivered':
      return rich`Delivered ✓✓`
    case 'read':
      return rich`👁 Read ✓✓`
    case 'played':
      return rich`▶️ Played ✓✓`
    case 'failed':
      return rich`❌ Failed: ${why === '' ? (error ?? 'WhatsApp gave no reason.') : why}`
    case 'unknown':
      return rich`❔ Unknown: ${why === '' ? explain('outcome_unknown') : why}`
  }
}
