import { randomUUID } from 'node:crypto'
import type { ShownMessage } from './fake-telegram-messages.js'

type Kind = 'photo' | 'video' | 'voice' | 'audio' | 'document' | 'sticker' | 'video_note' | 'animation'

interface Saying {
  /** The private chat with the bot unless given. Groups have negative ids. */
  chat?: number
  at?: number
  replyTo?: ShownMessage | number
  extra?: Record<string, unknown>
}

export interface FakeUser {
  readonly id: number
  says(text: string, options?: Saying): number
  sends(
    kind: Kind,
    bytes: Buffer,
    options?: Saying & { caption?: string; mimetype?: string; filename?: string },
  ): number
  sendsPhoto(bytes: Buffer, caption?: string, options?: Saying): number
  repliesTo(message: ShownMessage, text: string): number
  /** Taps the newest button with this text, once there is one. */
  taps(buttonText: string, options?: { chat?: number }): Promise<void>
}

export interface FakeChat {
  messages(): ShownMessage[]
  /** The first message of the bot that matches, now or within the time. */
  next(matches: ((message: ShownMessage) => boolean) | string | RegExp, timeoutMs?: number): Promise<ShownMessage>
}

/** What a user acts upon. */
interface World {
  nextMessageId(): number
  chat(id: number): FakeChat
  /** The bot may write there from now on. */
  know(chatId: number): void
  push(update: Record<string, unknown>): void
  keepFile(kind: Kind, bytes: Buffer): { file_id: string }
  asMessage(messageId: number, chatId: number): unknown
}

/** A person with Telegram, driven by a test. */
export function createFakeUser(id: number, name: string, world: World): FakeUser {
  const from = { id, is_bot: false, first_name: name }
  const say = (content: Record<string, unknown>, { chat = id, at = Date.now(), replyTo, extra }: Saying = {}) => {
    world.know(chat)
    const quoted = typeof replyTo === 'number' ? replyTo : replyTo?.id
    const message = {
      message_id: world.nextMessageId(),
      date: Math.floor(at / 1000),
      chat: chat < 0 ? { id: chat, type: 'supergroup', title: 'A group' } : { id: chat, type: 'private' },
      from,
      ...(quoted === undefined ? {} : { reply_to_message: world.asMessage(quoted, chat) }),
      ...content,
      ...extra,
    }
    world.push({ message })
    return message.message_id
  }
  const entitiesOf = (text: string) => {
    const command = /^\/\w+(@\w+)?/.exec(text)
    return command ? [{ type: 'bot_command', offset: 0, length: command[0].length }] : undefined
  }
  const user: FakeUser = {
    id,
    says: (text, options) => say({ text, entities: entitiesOf(text) }, options),
    sends: (kind, bytes, { caption, mimetype, filename, ...options } = {}) => {
      const file = world.keepFile(kind, bytes)
      const described = { ...file, mime_type: mimetype, file_name: filename }
      const content = kind === 'photo' ? [{ ...file, file_id: `${file.file_id}-small`, width: 90 }, file] : described
      return say({ [kind]: content, caption }, options)
    },
    sendsPhoto: (bytes, caption, options) =>
      user.sends('photo', bytes, { ...options, ...(caption === undefined ? {} : { caption }) }),
    repliesTo: (message, text) => user.says(text, { chat: message.chatId, replyTo: message }),
    taps: async (buttonText, { chat = id } = {}) => {
      const has = (message: ShownMessage) => message.buttons.some((button) => button.text.includes(buttonText))
      await world.chat(chat).next(has)
      const message = world.chat(chat).messages().findLast(has)
      const button = message?.buttons.findLast(({ text }) => text.includes(buttonText))
      if (!message || !button?.callback_data) throw new Error(`'${buttonText}' is no button that can be tapped`)
      const query = { id: randomUUID(), from, chat_instance: '1', data: button.callback_data }
      world.push({ callback_query: { ...query, message: world.asMessage(message.id, chat) } })
    },
  }
  return user
}
