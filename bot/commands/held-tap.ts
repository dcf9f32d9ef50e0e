import { type Decision, decisions } from '../../proto/contract.js'
import { lines, rich } from '../telegram/html.js'
import type { Tap } from './command.js'
import type { CommandParts } from './parts.js'

const said: Record<Decision, string> = {
  resend: 'It is looked for once more, and sent again if there is no trace of it.',
  sent: 'It arrived.',
  failed: 'It did not arrive.',
}

/** `held:<decision>:<message>`, below a message whose outcome nobody knows. */
export function heldTap({ gateway, heldMessages, sends, talk }: CommandParts): Tap {
  return {
    action: 'held',
    run: async ({ argument, chatId, messageId }) => {
      const [what, id = ''] = argument.split(':')
      const decision = decisions.find((known) => known === what)
      if (!decision) return 'This button does nothing any more.'
      await gateway.decide(id, heldMessages.sessionOf(id) ?? sends.sessionOf(id), decision)
      // The answer to a message from Telegram shows what comes of it by itself.
      const title = heldMessages.titleOf(id)
      if (title) await talk.edit(chatId, messageId, lines(title, rich`✔️ ${said[decision]}`))
      return said[decision]
    },
  }
}
