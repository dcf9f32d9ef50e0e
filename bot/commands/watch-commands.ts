import { rich, lines } from '../telegram/html.js'
import { words } from './arguments.js'
import type { Command } from './command.js'
import type { CommandParts } from './parts.js'

export function watchCommand({ sessions, relays }: CommandParts): Command {
  return {
    name: 'watch',
    usage: '<name>',
    summary: 'relay what comes in on a session to this chat',
    run: async ({ text, chosen, chatId, say }) => {
      const session = await sessions.find(words(text)[0], { chosen })
      const isNew = relays.watch(chatId, session.id)
      await say(
        isNew
          ? lines(
              rich`👀 What comes in on <b>${session.name}</b> appears here from now on.`,
              rich`Reply to a message to answer it on WhatsApp. /unwatch ${session.name} ends it.`,
            )
          : rich`This chat watches <b>${session.name}</b> already.`,
      )
    },
  }
}

export function unwatchCommand({ sessions, live, relays }: CommandParts): Command {
  return {
    name: 'unwatch',
    usage: '[name]',
    summary: 'relay it no more',
    run: async ({ text, chosen, chatId, say }) => {
      const watched = relays.watchedBy(chatId)
      const [name] = words(text)
      // Without a name, what is watched here is meant, if that is only one.
      const only = name === undefined && watched.length === 1 ? watched[0] : undefined
      const known = only && live.find(only)
      const session = known ?? (await sessions.find(name, { chosen }))
      const ended = relays.unwatch(chatId, session.id)
      await say(
        ended
          ? rich`<b>${session.name}</b> is not watched here any more.`
          : rich`This chat does not watch <b>${session.name}</b>.`,
      )
    },
  }
}
