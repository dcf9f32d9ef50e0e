import { AppError } from '../../../runtime/app-error.js'
import type { Logger } from '../../../runtime/log.js'
import { oneLine } from './deadline.js'
import type { RawMessage } from './incoming-content.js'
import type { PageApi } from './page-api.js'
import type { Receiving } from './receiving.js'

/** WhatsApp's clock counts whole seconds, and an event may be stored a while after its message was sent. */
const overlapMs = 10 * 60_000

/**
 * Tells what happened while the session was away: WhatsApp Web announces nothing that it had already taken in when it
 * came up. What was told before is told again; the event log knows it. Throws `unavailable` when a chat could not be read,
 * after all others were.
 */
export async function lookBack(page: PageApi, receiving: Receiving, since: number, log: Logger): Promise<void> {
  const seconds = Math.floor((since - overlapMs) / 1000)
  const chats = await page.chatsSince(seconds)
  let messages = 0
  let unread = 0
  for (const chatId of chats) {
    const found = await page.messagesSince(chatId, seconds).catch((thrown: unknown) => {
      unread += 1
      log.warn({ problem: oneLine(thrown) }, 'look_back.chat_failed')
      return []
    })
    messages += found.length
    for (const raw of found) replay(raw as unknown as RawMessage, receiving)
  }
  // What waits for its turn is told before this counts as done.
  await receiving.settled()
  log.info({ chats: chats.length, messages, failed: unread }, 'look_back.done')
  if (unread > 0) throw new AppError('unavailable', `${unread} of ${chats.length} chats could not be read.`)
}

function replay(raw: RawMessage, receiving: Receiving): void {
  if (raw.type === 'revoked') return receiving.revoked(raw)
  receiving.message(raw)
  if (raw.latestEditSenderTimestampMs !== undefined) receiving.edit(raw, raw.caption ?? raw.body, undefined)
  receiving.ack(raw, raw.ack ?? 0)
  receiving.reactions(raw)
}
