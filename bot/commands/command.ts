import type { Message } from 'telegraf/types'
import type { SessionId } from '../../proto/contract.js'
import type { Html } from '../telegram/html.js'
import type { Manner } from '../telegram/talk.js'

/** Who asked for something, where, and how to answer. */
export interface Asked {
  chatId: number
  /** The message that asked; for a tap, the one with the button. */
  messageId: number
  operatorId: number
  /** Answers in the chat; resolves with the id of the answer. */
  say(text: Html, manner?: Manner): Promise<number>
  /** Goes on with it after the update is done with. Failures are told in the chat. */
  later(work: (signal: AbortSignal) => Promise<void>): void
}

export interface CommandCall extends Asked {
  /** What follows the command. */
  text: string
  message: Message
  /** Tapped when it was asked which session is meant. */
  chosen?: SessionId
  /** Keeps the update; answers the data of a button that does all of it once more. */
  again(): string
}

/** A command as data: what it does, and what /help and Telegram's menu say of it. */
export interface Command {
  name: string
  /** What follows the name, such as `<name> <phone>`. */
  usage?: string
  summary: string
  /** Not carried out when it arrives late: the world has moved on. */
  urgent?: boolean
  run(call: CommandCall): Promise<void>
}

/** What a button does. Its data is `action:argument`. */
export interface Tap {
  action: string
  urgent?: boolean
  /** Shown for a moment at the top of the chat. */
  run(call: TapCall): Promise<string | void>
}

export interface TapCall extends Asked {
  argument: string
}

export function usageOf({ name, usage }: Pick<Command, 'name' | 'usage'>): string {
  return usage ? `/${name} ${usage}` : `/${name}`
}
