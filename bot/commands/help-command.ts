import { Html, rich, lines } from '../telegram/html.js'
import { type Command, usageOf } from './command.js'

export function helpCommand(commands: () => Command[]): Command {
  return {
    name: 'help',
    summary: 'what this bot can do',
    run: async ({ say }) => {
      await say(helpText(commands()))
    },
  }
}

export function helpText(commands: Command[]): Html {
  return lines(
    ...commands.map((command) => rich`${usageOf(command)}: ${command.summary}`),
    rich``,
    rich`A photo, video, voice message, audio or document with a caption that begins with /send is sent as such.`,
    rich`In a chat that watches a session, reply to a message to answer it on WhatsApp.`,
  )
}
