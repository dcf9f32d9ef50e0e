import { Html, html, lines } from '../telegram/html.js'
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
    ...commands.map((command) => html`${usageOf(command)}: ${command.summary}`),
    html``,
    html`A photo, video, voice message, audio or document with a caption that begins with /send is sent as such.`,
    html`In a chat that watches a session, reply to a message to answer it on WhatsApp.`,
  )
}
