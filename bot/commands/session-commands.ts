import type { SessionId } from '../../proto/contract.js'
import type { LiveSession } from '../sessions/live-sessions.js'
import { type Html, lines, rich } from '../telegram/html.js'
import { words } from './arguments.js'
import type { Asked, Command, CommandCall, Tap } from './command.js'
import { helpText } from './help-command.js'
import type { CommandParts } from './parts.js'

/** A question that nobody answered in this time was not meant. */
const CONFIRM_SECONDS = 120

type Change = 'start' | 'stop' | 'restart' | 'logout' | 'delete'

const doing: Record<Change, [begun: string, done: string]> = {
  start: ['▶️ Starting', 'is starting'],
  stop: ['⏹ Stopping', 'is stopped'],
  restart: ['🔄 Restarting', 'is restarting'],
  logout: ['🔓 Logging out', 'is logged out'],
  delete: ['🗑 Deleting', 'is deleted'],
}

export function stopCommand(parts: CommandParts): Command {
  return {
    name: 'stop',
    usage: '[name]',
    summary: 'stop a session; it stays linked',
    urgent: true,
    run: async (call) => change(parts, call, 'stop', await named(parts, call)),
  }
}

export function restartCommand(parts: CommandParts): Command {
  return {
    name: 'restart',
    usage: '[name]',
    summary: 'restart a session',
    urgent: true,
    run: async (call) => change(parts, call, 'restart', await named(parts, call)),
  }
}

/** Telegram sends /start when somebody opens the bot for the first time. */
export function startCommand(parts: CommandParts, commands: () => Command[]): Command {
  return {
    name: 'start',
    usage: '[name]',
    summary: 'start a session',
    urgent: true,
    run: async (call) => {
      if (words(call.text).length > 0 || call.chosen) return change(parts, call, 'start', await named(parts, call))
      const hello = rich`👋 This is Switchboard. Alerts about sessions come to this chat.`
      await call.say(lines(hello, rich``, helpText(commands())))
    },
  }
}

export function logoutCommand(parts: CommandParts): Command {
  const question = ({ name }: LiveSession) =>
    rich`Unlink the number of <b>${name}</b>? It has to be linked anew afterwards.`
  return confirmed(parts, 'logout', 'unlink the number of a session', question)
}

export function deleteCommand(parts: CommandParts): Command {
  const question = ({ name }: LiveSession) =>
    rich`Delete <b>${name}</b>? Its number is unlinked and its name is free again.`
  return confirmed(parts, 'delete', 'delete a session for good; its messages are kept', question)
}

/** Done once the operator has said so twice. */
function confirmed(
  parts: CommandParts,
  name: 'logout' | 'delete',
  summary: string,
  question: (session: LiveSession) => Html,
): Command {
  return {
    ...{ name, usage: '<name>', summary, urgent: true },
    run: async (call) => {
      const session = await named(parts, call)
      await confirm(parts, call, session, name, question(session))
    },
  }
}

/** What the buttons of session lists do. */
export function changeTaps(parts: CommandParts): Tap[] {
  return (['start', 'stop', 'restart'] as const).map((what) => ({
    action: what,
    urgent: true,
    run: async (call) => change(parts, call, what, await parts.sessions.byId(call.argument as SessionId)),
  }))
}

/** `yes:logout:<expiry>:<session>` and `no`. */
export function confirmTaps(parts: CommandParts): Tap[] {
  const yes: Tap = {
    action: 'yes',
    urgent: true,
    run: async (call) => {
      const [what, expiry = '', id] = call.argument.split(':')
      if (Number.parseInt(expiry, 36) * 1_000 < parts.clock()) {
        await parts.talk.edit(call.chatId, call.messageId, rich`That was asked too long ago. Nothing was done.`)
        return
      }
      const session = await parts.sessions.byId(id as SessionId)
      await change(parts, call, what === 'delete' ? 'delete' : 'logout', session, call.messageId)
    },
  }
  const no: Tap = {
    action: 'no',
    run: async ({ chatId, messageId }) => parts.talk.edit(chatId, messageId, rich`Nothing was done.`),
  }
  return [yes, no]
}

function named({ sessions }: CommandParts, { text, chosen }: CommandCall): Promise<LiveSession> {
  return sessions.find(words(text)[0], { chosen })
}

async function confirm(
  { clock }: CommandParts,
  call: Asked,
  { id }: LiveSession,
  what: 'logout' | 'delete',
  question: Html,
): Promise<void> {
  const expiry = (Math.floor(clock() / 1_000) + CONFIRM_SECONDS).toString(36)
  const yes = { text: what === 'delete' ? '🗑 Delete' : '🔓 Log out', data: `yes:${what}:${expiry}:${id}` }
  await call.say(question, { buttons: [[yes, { text: 'Cancel', data: 'no:' }]], replyTo: call.messageId })
}

/** Says that it began, and edits that to how it ended: a browser takes its time to end. */
async function change(
  { gateway, live, state, talk }: CommandParts,
  call: Asked,
  what: Change,
  { id, name }: LiveSession,
  inPlaceOf?: number,
): Promise<void> {
  const [begun, done] = doing[what]
  const text = rich`${begun} <b>${name}</b>…`
  if (inPlaceOf !== undefined) await talk.edit(call.chatId, inPlaceOf, text)
  const answer = inPlaceOf ?? (await call.say(text))
  call.later(async () => {
    try {
      if (what === 'delete') await gateway.deleteSession(id)
      else await gateway.change(id, what)
    } catch (error) {
      await talk.edit(call.chatId, answer, rich`${begun} <b>${name}</b>… ❌`)
      throw error
    }
    if (what === 'delete') {
      live.forget(id)
      state.forgetSession(id)
    }
    await talk.edit(call.chatId, answer, rich`<b>${name}</b> ${done}. ✔️`)
  })
}
