import { type BotApiCall, BotApiError, type UploadedFile } from './fake-telegram-server.js'

export interface Button {
  text: string
  callback_data?: string
  url?: string
}

/** A message of the bot, in its newest form. `text` is the text or caption without its HTML. */
export interface ShownMessage {
  id: number
  chatId: number
  method: string
  text: string
  html: string
  file?: UploadedFile
  buttons: Button[]
  replyTo?: number
  /** What it said before, oldest first. */
  before: string[]
  fields: Record<string, unknown>
}

const decode = (html: string) =>
  html
    .replace(/<[^>]*>/g, '')
    .replaceAll('&lt;', '<')
    .replaceAll('&gt;', '>')
    .replaceAll('&quot;', '"')
    .replaceAll('&amp;', '&')

const uploadFields = ['photo', 'video', 'voice', 'audio', 'document', 'sticker', 'animation']

/** The messages of a bot as people see them, with Telegram's rules for sending and editing. */
export class BotMessages {
  readonly list: ShownMessage[] = []

  constructor(
    private readonly nextId: () => number,
    private readonly isKnownChat: (id: number) => boolean,
  ) {}

  send({ method, fields, files }: BotApiCall): ShownMessage {
    const chatId = Number(fields.chat_id)
    if (!this.isKnownChat(chatId)) throw new BotApiError(400, 'Bad Request: chat not found')
    const kind = method.slice('send'.length).toLowerCase()
    const file = files.get(kind)
    if (uploadFields.includes(kind) && !file)
      throw new BotApiError(400, `Bad Request: there is no ${kind} in the request`)
    if (kind === 'photo' && file) checkImage(file.bytes)
    const html = checkText(method, fields)
    const reply = fields.reply_parameters as { message_id?: number } | undefined
    const message: ShownMessage = {
      id: this.nextId(),
      chatId,
      method,
      html,
      text: decode(html),
      ...(file ? { file } : {}),
      buttons: buttonsOf(fields),
      ...(reply?.message_id === undefined ? {} : { replyTo: reply.message_id }),
      before: [],
      fields,
    }
    this.list.push(message)
    return message
  }

  edit({ method, fields, files }: BotApiCall): ShownMessage {
    const message = this.list.find(
      ({ id, chatId }) => id === Number(fields.message_id) && chatId === Number(fields.chat_id),
    )
    if (!message) throw new BotApiError(400, 'Bad Request: message to edit not found')
    if ((method === 'editMessageText') !== (message.method === 'sendMessage') && method !== 'editMessageReplyMarkup') {
      throw new BotApiError(400, `Bad Request: ${method} does not fit a message of ${message.method}`)
    }
    const media = fields.media as { media: string; caption?: string; parse_mode?: string } | undefined
    const file = media ? files.get(media.media.replace('attach://', '')) : message.file
    if (media && !file) throw new BotApiError(400, 'Bad Request: wrong file identifier')
    if (media && file) checkImage(file.bytes)
    const html = method === 'editMessageReplyMarkup' ? message.html : checkText(method, { ...fields, ...media })
    const buttons = buttonsOf(fields)
    const same = html === message.html && JSON.stringify(buttons) === JSON.stringify(message.buttons)
    if (same && (!file || !message.file || file.bytes.equals(message.file.bytes))) {
      throw new BotApiError(400, 'Bad Request: message is not modified')
    }
    message.before.push(message.text)
    Object.assign(message, { html, text: decode(html), buttons, ...(file ? { file } : {}) })
    return message
  }
}

function buttonsOf(fields: Record<string, unknown>): Button[] {
  const markup = fields.reply_markup as { inline_keyboard?: Button[][] } | undefined
  const buttons = (markup?.inline_keyboard ?? []).flat()
  for (const { callback_data } of buttons) {
    if (Buffer.byteLength(callback_data ?? '') > 64) throw new BotApiError(400, 'Bad Request: BUTTON_DATA_INVALID')
  }
  return buttons
}

function checkText(method: string, fields: Record<string, unknown>): string {
  const isText = method === 'sendMessage' || method === 'editMessageText'
  const html = String((isText ? fields.text : fields.caption) ?? '')
  if (isText && html.trim() === '') throw new BotApiError(400, 'Bad Request: message text is empty')
  if (fields.parse_mode === 'HTML') {
    const rest = html.replace(/<\/?(b|i|u|s|code|pre|a|blockquote)( href="[^"<>]*")?>/g, '')
    if (/[<>]/.test(rest) || /&(?!(lt|gt|amp|quot);)/.test(rest)) {
      throw new BotApiError(400, "Bad Request: can't parse entities")
    }
  }
  const { length } = fields.parse_mode === 'HTML' ? decode(html) : html
  if (length > (isText ? 4096 : 1024)) throw new BotApiError(400, 'Bad Request: message is too long')
  return html
}

function checkImage(bytes: Buffer): void {
  const head = bytes.subarray(0, 4).toString('hex')
  if (head !== '89504e47' && !head.startsWith('ffd8ff')) throw new BotApiError(400, 'Bad Request: IMAGE_PROCESS_FAILED')
}
