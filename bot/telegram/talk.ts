import type { InlineKeyboardMarkup } from 'telegraf/types'
import type { Html } from './html.js'
import type { Outbox } from './outbox.js'
import type { TelegramApi } from './telegram-api.js'

/** `data` comes back when it is tapped: `action:argument`, at most 64 bytes. */
export type Button = { text: string; data: string } | { text: string; url: string }

export interface Manner {
  /** Rows of buttons; none takes those of an edited message away. */
  buttons?: Button[][]
  replyTo?: number | undefined
}

/** What the bot says in chats, in few words. */
export class Talk {
  constructor(
    private readonly outbox: Outbox,
    private readonly api: TelegramApi,
  ) {}

  /** Answers the id of the new message. */
  async say(chatId: number, text: Html, manner: Manner = {}): Promise<number> {
    const { message_id } = await this.outbox.send(chatId, 'sendMessage', {
      text: text.text,
      parse_mode: 'HTML',
      link_preview_options: { is_disabled: true },
      ...replyTo(manner),
      ...keyboard(manner),
    })
    return message_id
  }

  edit(chatId: number, messageId: number, text: Html, manner: Manner = {}): Promise<void> {
    return this.outbox.edit(chatId, messageId, 'editMessageText', {
      text: text.text,
      parse_mode: 'HTML',
      link_preview_options: { is_disabled: true },
      ...keyboard(manner),
    })
  }

  async photo(chatId: number, png: Buffer, caption: Html, manner: Manner = {}): Promise<number> {
    const { message_id } = await this.outbox.send(chatId, 'sendPhoto', {
      photo: { source: png, filename: 'switchboard.png' },
      caption: caption.text,
      parse_mode: 'HTML',
      ...replyTo(manner),
      ...keyboard(manner),
    })
    return message_id
  }

  editPhoto(chatId: number, messageId: number, png: Buffer, caption: Html, manner: Manner = {}): Promise<void> {
    return this.outbox.edit(chatId, messageId, 'editMessageMedia', {
      media: {
        type: 'photo',
        media: { source: png, filename: 'switchboard.png' },
        caption: caption.text,
        parse_mode: 'HTML',
      },
      ...keyboard(manner),
    })
  }

  editCaption(chatId: number, messageId: number, caption: Html, manner: Manner = {}): Promise<void> {
    return this.outbox.edit(chatId, messageId, 'editMessageCaption', {
      caption: caption.text,
      parse_mode: 'HTML',
      ...keyboard(manner),
    })
  }

  /** Ends the little clock on a tapped button. Not a message, so it does not wait for its turn. */
  async answerTap(tapId: string, text?: string): Promise<void> {
    await this.api.call('answerCallbackQuery', { callback_query_id: tapId, ...(text ? { text } : {}) })
  }
}

export function replyTo({ replyTo: messageId }: Manner) {
  return messageId === undefined
    ? {}
    : { reply_parameters: { message_id: messageId, allow_sending_without_reply: true } }
}

function keyboard({ buttons }: Manner): { reply_markup?: InlineKeyboardMarkup } {
  if (!buttons || buttons.length === 0) return {}
  const inline_keyboard = buttons.map((row) =>
    row.map((button) =>
      'url' in button ? { text: button.text, url: button.url } : { text: button.text, callback_data: button.data },
    ),
  )
  return { reply_markup: { inline_keyboard } }
}
