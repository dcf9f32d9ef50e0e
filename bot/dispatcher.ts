import type { Telegraf } from 'telegraf'
import type { CallbackQuery, Message, Update } from 'telegraf/types'
import type { SessionId } from '../proto/contract.js'
import type { Clock } from '../runtime/clock.js'
import type { Logger } from '../runtime/log.js'
import { currentTrace, newTrace, traced } from '../runtime/trace.js'
import type { Background } from './background.js'
import type { Choices } from './choices.js'
import { parseCommand } from './commands/arguments.js'
import type { Asked, Command, CommandCall, Tap } from './commands/command.js'
import { errorReply } from './reply-with-error.js'
import { ChoiceNeeded } from './sessions/find-session.js'
import type { LiveSession } from './sessions/live-sessions.js'
import { rich } from './telegram/html.js'
import type { Talk } from './telegram/talk.js'
import { TelegramCallError } from './telegram/telegram-api.js'

/** Later than this, an urgent command is not what the operator wants any more. */
const STALE_MS = 5 * 60_000

export type CommandWatch = (command: string, result: 'done' | 'refused' | 'asked') => void

export interface DispatcherParts {
  commands: Command[]
  taps: Tap[]
  /** A message that is no command. False when it means nothing to anybody. */
  onMessage: (call: CommandCall) => Promise<boolean>
  nameOf: (session: SessionId) => string
  /** With its tenant, where that is needed to tell it from another. */
  titleOf: (session: LiveSession) => string
  talk: Talk
  choices: Choices
  background: Background
  /** For the metrics. */
  onCommand: CommandWatch
  clock: Clock
  log: Logger
}

/** From updates to commands and taps; what they throw is told in the chat. */
export class Dispatcher {
  private readonly commands: Map<string, Command>
  private readonly taps: Map<string, Tap>
  private botName = () => ''

  constructor(private readonly parts: DispatcherParts) {
    this.commands = new Map(parts.commands.map((command) => [command.name, command]))
    this.taps = new Map([...parts.taps, this.pick(), this.again()].map((tap) => [tap.action, tap]))
  }

  install(telegraf: Telegraf): void {
    this.botName = () => telegraf.botInfo?.username ?? ''
    telegraf.on('message', (ctx) => forOperator(ctx.from.id, () => this.handle(ctx.update)))
    telegraf.on('callback_query', (ctx) => forOperator(ctx.from.id, () => this.tap(ctx.callbackQuery)))
    telegraf.catch((err, ctx) => this.parts.log.error({ err, update: ctx.update.update_id }, 'update.failed'))
  }

  /** With a session that was chosen, if it had to be asked. */
  private async handle(update: Update.MessageUpdate, chosen?: SessionId): Promise<void> {
    const message = update.message as Message & { from: { id: number } }
    const asked = this.asked(message.chat.id, message.message_id, message.from.id)
    const call = {
      ...asked,
      message,
      ...(chosen ? { chosen } : {}),
      again: () => `again:${this.parts.choices.keep(update)}`,
    }
    const spoken = message as { text?: string; caption?: string; entities?: []; caption_entities?: [] }
    const text = spoken.text ?? spoken.caption ?? ''
    const parsed = parseCommand(text, spoken.entities ?? spoken.caption_entities, this.botName())
    const isPrivate = message.chat.type === 'private'
    try {
      if (!parsed) {
        const meant = await this.parts.onMessage({ ...call, text })
        if (!meant && isPrivate && isSaid(message)) await asked.say(rich`I only understand commands. /help lists them.`)
        return
      }
      const command = this.commands.get(parsed.name)
      if (!command) {
        if (isPrivate) await asked.say(rich`There is no command /${parsed.name}. /help lists them.`)
        return
      }
      if (command.urgent && this.isStale(message.date) && !chosen) {
        this.parts.log.info({ command: command.name }, 'command.stale')
        await asked.say(
          rich`Your /${command.name} reached me late and was ignored. Send it again if you still want it.`,
          {
            replyTo: message.message_id,
          },
        )
        return
      }
      await command.run({ ...call, text: parsed.text })
      this.parts.onCommand(command.name, 'done')
      const { id: trace } = currentTrace() ?? {}
      this.parts.log.info({ command: command.name, operator: message.from.id, trace }, 'command.done')
    } catch (error) {
      const known = parsed && this.commands.get(parsed.name)
      if (known) this.parts.onCommand(known.name, error instanceof ChoiceNeeded ? 'asked' : 'refused')
      if (error instanceof ChoiceNeeded) return this.ask(asked, update, error)
      await this.tell(asked, error, { command: parsed?.name })
    }
  }

  private async tap(query: CallbackQuery): Promise<void> {
    const { message } = query
    const [action = '', ...rest] = ('data' in query ? query.data : '').split(':')
    const tap = this.taps.get(action)
    if (!message || !tap) return this.answerTap(query.id, 'This button does nothing any more.').then(() => undefined)
    const asked = this.asked(message.chat.id, message.message_id, query.from.id)
    // Telegram answers for how old a tap is: what it no longer takes an answer to was tapped long ago.
    if (tap.urgent && !(await this.answerTap(query.id))) {
      await asked.say(rich`Your tap reached me late and was ignored. Tap again if you still want it.`)
      return
    }
    try {
      const answer = await tap.run({ ...asked, argument: rest.join(':') })
      if (!tap.urgent) await this.answerTap(query.id, answer ?? undefined)
    } catch (error) {
      if (!tap.urgent) await this.answerTap(query.id)
      await this.tell(asked, error, { tap: action })
    }
  }

  /** False when Telegram says that it is too late. */
  private async answerTap(id: string, text?: string): Promise<boolean> {
    try {
      await this.parts.talk.answerTap(id, text)
      return true
    } catch (error) {
      if (!(error instanceof TelegramCallError)) throw error
      return error.status !== 400
    }
  }

  private asked(chatId: number, messageId: number, operatorId: number): Asked {
    const trace = currentTrace() ?? newTrace()
    const asked: Asked = {
      chatId,
      messageId,
      operatorId,
      say: (text, manner) => this.parts.talk.say(chatId, text, manner),
      later: (work) =>
        this.parts.background.run(
          (signal) => traced(trace, () => work(signal)),
          (error) => this.tell(asked, error, { later: true }),
        ),
    }
    return asked
  }

  private isStale(date: number): boolean {
    return this.parts.clock() - date * 1_000 > STALE_MS
  }

  private async tell(asked: Asked, error: unknown, what: Record<string, unknown>): Promise<void> {
    // Telegram itself failed: it cannot be told there.
    if (error instanceof TelegramCallError) return this.parts.log.error({ err: error, ...what }, 'command.not_answered')
    await asked.say(errorReply(error, this.parts.log, what))
  }

  private async ask(asked: Asked, update: Update, { question, sessions }: ChoiceNeeded): Promise<void> {
    const id = this.parts.choices.keep(update)
    const buttons = sessions.map((session) => ({ text: this.parts.titleOf(session), data: `pick:${id}:${session.id}` }))
    const rows = Array.from({ length: Math.ceil(buttons.length / 2) }, (_, i) => buttons.slice(2 * i, 2 * i + 2))
    await asked.say(rich`${question}`, { buttons: rows.slice(0, 40), replyTo: asked.messageId })
  }

  private pick(): Tap {
    return {
      action: 'pick',
      run: async ({ argument, chatId, messageId }) => {
        const [id, sessionId] = argument.split(':')
        const update = this.parts.choices.find(Number(id))
        if (!update) return 'That was too long ago. Send the command again.'
        await this.parts.talk.edit(chatId, messageId, rich`<b>${this.parts.nameOf(sessionId as SessionId)}</b>`)
        await this.handle(update as Update.MessageUpdate, sessionId as SessionId)
      },
    }
  }

  private again(): Tap {
    return {
      action: 'again',
      run: async ({ argument }) => {
        const update = this.parts.choices.find(Number(argument))
        if (!update) return 'That was too long ago. Send it again.'
        await this.handle(update as Update.MessageUpdate)
      },
    }
  }
}

/** What is asked of gateway and nodes says on whose behalf, and in one trace. */
function forOperator(id: number, work: () => Promise<void>): Promise<void> {
  return traced({ ...newTrace(), actor: `telegram:${id}` }, work)
}

/** Something that a person says, unlike a service message of Telegram's. */
function isSaid(message: Message): boolean {
  return ['text', 'photo', 'video', 'voice', 'audio', 'document', 'sticker'].some((kind) => kind in message)
}
