import { AppError } from '../../../runtime/app-error.js'
import type { Trace } from '../whatsapp-client.js'
import type { PageApi } from './page-api.js'
import { statusOf } from './receiving.js'
import type { Sending } from './sending.js'

/**
 * Looks for a message of ours: in the hook's notes, in memory, by key under each address of the chat, among the last
 * messages of the chat. An attempt that is still somewhere in the page is called off first, or it could go out after
 * nothing was found.
 */
export async function findTrace(
  page: PageApi,
  sending: Sending,
  { waMessageId, to }: { waMessageId: string; to: string },
): Promise<Trace> {
  if (/@(newsletter|broadcast)$/.test(to)) {
    throw new AppError('not_supported', 'A message to a channel cannot be found again.')
  }
  const { record } = await page.abandonSend(waMessageId, sending.attempts(waMessageId))
  const found = await page.findMessage(waMessageId, to)
  if (found) return { found: true, status: statusOf(found.ack), check: found.check }
  if (record?.stage === 'server' && record.result === 'OK') {
    return { found: true, status: 'sent', check: 'note of the send in the page' }
  }
  return { found: false, check: 'notes of the page, messages in memory, message by key, last 50 messages of the chat' }
}
