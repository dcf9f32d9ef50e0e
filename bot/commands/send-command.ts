import type { Message } from 'telegraf/types'
import type { Content, SessionId } from '../../proto/contract.js'
import { AppError } from '../../runtime/app-error.js'
import { fileOf, plainContentOf } from '../sends/telegram-content.js'
import type { LiveSession } from '../sessions/live-sessions.js'
import { parseSend } from './arguments.js'
import type { Command, CommandCall } from './command.js'
import type { CommandParts } from './parts.js'

const usage = '[name] <number> <text>'
/** The pictures of an album come one by one, within moments; only one of them has the caption. */
const ALBUM_MS = 60_000
const MAX_TEXT = 65_536

interface Target {
  sessionId: SessionId
  to: string
}

/** `/send`, in words or as the caption of a file, and what else is sent to WhatsApp from a chat. */
export class SendCommand implements Command {
  readonly name = 'send'
  readonly usage = usage
  readonly summary = 'send a message; or as the caption of a file'
  private readonly albums = new Map<string, Target & { until: number }>()

  constructor(private readonly parts: CommandParts) {}

  /** Called by name, away from its object. */
  run = async (call: CommandCall): Promise<void> => {
    const { session: name, recipient, text } = parseSend(call.text, `/send ${usage}`)
    const session = await this.parts.sessions.find(name, { chosen: call.chosen, preferred: 'default' })
    const target = { sessionId: session.id, to: recipient.chatId }
    this.rememberAlbum(call.message, target)
    const content = await this.contentOf(call.message, text, session)
    if (!content) throw new AppError('invalid', `There is nothing to send. Usage: /send ${usage}`)
    await this.send(call, session, recipient.chatId, content)
  }

  /** A message that is no command: a reply to a relayed one, or the next picture of an album. False when neither. */
  async onMessage(call: CommandCall): Promise<boolean> {
    const { sessions, relays } = this.parts
    const repliedTo = replyOf(call.message)
    const origin = repliedTo && relays.origin(call.chatId, repliedTo.message_id)
    if (origin) {
      const session = await sessions.byId(origin.sessionId)
      const content = (await this.mediaOf(call.message, call.text, session)) ?? plainContentOf(call.message)
      if (!content) throw new AppError('unsupported_type', 'This kind of message cannot be sent to WhatsApp.')
      await this.send(call, session, origin.waChatId, content, origin.waMessageId)
      return true
    }
    const album = this.albumOf(call.message)
    if (!album) return false
    const session = await sessions.byId(album.sessionId)
    const content = await this.mediaOf(call.message, call.text, session)
    if (content) await this.send(call, session, album.to, content)
    return content !== null
  }

  private async send(call: CommandCall, session: LiveSession, to: string, content: Content, replyTo?: string) {
    const { chatId, messageId, again } = call
    await this.parts.sends.send({ session, to, content, chatId, messageId, again, ...(replyTo ? { replyTo } : {}) })
  }

  /** The file of the message with the text as its caption; else the text; else what the message replies to. */
  private async contentOf(message: Message, text: string, session: LiveSession): Promise<Content | null> {
    const file = await this.mediaOf(message, text, session)
    if (file) return file
    if (text.length > MAX_TEXT) throw new AppError('too_large', 'WhatsApp takes up to 65,536 characters.')
    if (text !== '') return { type: 'text', text: { body: text } }
    // Stickers, places and the like have no caption: a reply to them with /send sends them.
    const other = replyOf(message)
    return other ? ((await this.mediaOf(other, '', session)) ?? plainContentOf(other)) : null
  }

  private async mediaOf(message: Message, caption: string, session: LiveSession): Promise<Content | null> {
    const { live, courier } = this.parts
    const file = fileOf(message)
    return file ? courier.carry(file, caption, live.clientOf(session)) : null
  }

  private rememberAlbum(message: Message, target: Target): void {
    const now = this.parts.clock()
    for (const [id, { until }] of this.albums) if (until < now) this.albums.delete(id)
    if ('media_group_id' in message && message.media_group_id) {
      this.albums.set(message.media_group_id, { ...target, until: now + ALBUM_MS })
    }
  }

  private albumOf(message: Message): Target | undefined {
    return 'media_group_id' in message && message.media_group_id ? this.albums.get(message.media_group_id) : undefined
  }
}

function replyOf(message: Message): Message | undefined {
  return 'reply_to_message' in message ? (message.reply_to_message as Message | undefined) : undefined
}
