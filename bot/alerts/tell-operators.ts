import type { Logger } from '../../runtime/log.js'
import type { Html } from '../telegram/html.js'
import type { Manner, Talk } from '../telegram/talk.js'
import { TelegramCallError } from '../telegram/telegram-api.js'

/** In their private chats. Throws what passes, so that it is tried again; who blocked the bot keeps nobody from it. */
export async function tellOperators(
  { operators, talk, log }: { operators: readonly number[]; talk: Talk; log: Logger },
  text: Html,
  manner?: Manner,
): Promise<void> {
  for (const operator of operators) {
    try {
      // An operator's private chat has the operator's id.
      await talk.say(operator, text, manner)
    } catch (err) {
      if (!(err instanceof TelegramCallError) || err.passing) throw err
      log.warn({ err, operator, hint: 'the operator has to send /start to the bot once' }, 'alert.not_delivered')
    }
  }
}
