import type { Content, OutgoingMessage } from '../../../proto/contract.js'
import type { Reason } from '../../../proto/reasons.js'
import { AppError } from '../../../runtime/app-error.js'
import type { MediaStore } from '../../media/media-store.js'
import type { ClientEvent, SendOutcome } from '../whatsapp-client.js'
import { isTimeout, oneLine, within } from './deadline.js'
import type { LibraryClient } from './library.js'
import { prepareContent, type Prepared } from './outgoing-content.js'
import type { PageApi } from './page-api.js'

/** What a slow line needs on top for a file. */
const msPerMebibyte = 4_000

/**
 * Sends under ids chosen before. What the library's sendMessage returns is not looked at: `undefined` may mean that the
 * message went out. The hook's note in the page decides, and where it cannot be read the outcome is unknown.
 */
export class Sending {
  readonly #attempts = new Map<string, number>()
  readonly #chatIds = new Map<string, string>()
  readonly #ownReactions = new Map<string, true>()

  constructor(
    private readonly client: () => LibraryClient,
    private readonly page: PageApi,
    private readonly files: MediaStore,
    private readonly tell: (event: ClientEvent) => void,
    private readonly sendMs: number,
  ) {}

  /** Whether the id is of a message sent in this life. */
  sent(waMessageId: string): boolean {
    return this.#attempts.has(waMessageId)
  }

  attempts(waMessageId: string): number {
    return this.#attempts.get(waMessageId) ?? 0
  }

  /** Whether a reaction that WhatsApp Web tells of is the echo of one sent here. Asked once for each. */
  isOwnReaction(parentId: string, emoji: string): boolean {
    return this.#ownReactions.delete(`${parentId} ${emoji}`)
  }

  /** The chat id of a number as WhatsApp knows it; undefined when it is not on WhatsApp. */
  async chatOfNumber(id: string): Promise<string | undefined> {
    const known = this.#chatIds.get(id)
    if (known !== undefined) return known
    const found = await this.page.queryNumber(id)
    if (found === '') return undefined
    remember(this.#chatIds, id, found)
    return found
  }

  async send(message: OutgoingMessage): Promise<SendOutcome> {
    const attempt = this.attempts(message.waMessageId) + 1
    remember(this.#attempts, message.waMessageId, attempt)
    try {
      if (message.content.type === 'reaction') return await this.#react(message, message.content.reaction)
      const prepared = await prepareContent(message.content, this.files)
      const chatId = await this.#chat(message.to)
      if (chatId === undefined) return { outcome: 'failed', reason: 'not_on_whatsapp' }
      if (/@(newsletter|broadcast)$/.test(chatId)) return await this.#sendPastHook(message, chatId, prepared)
      const options = await this.#options(message, chatId, prepared)
      if (options === undefined) return { outcome: 'failed', reason: 'quoted_message_not_found' }
      return await this.#dispatch(message, attempt, chatId, { ...prepared, options })
    } catch (thrown) {
      return beforeDispatch(thrown)
    }
  }

  async #dispatch(
    { waMessageId: id, content }: OutgoingMessage,
    attempt: number,
    chatId: string,
    prepared: Prepared,
  ): Promise<SendOutcome> {
    const { load } = this.page
    const options = { ...prepared.options, sendSeen: false, extra: { ...prepared.extra, switchboard: { id, attempt } } }
    const limit = this.sendMs + Math.ceil(prepared.bytes / 2 ** 20) * msPerMebibyte
    let problem: unknown
    try {
      await within(this.client().sendMessage(chatId, prepared.content, options), limit, 'The send')
    } catch (thrown) {
      problem = thrown
    }
    let noted
    try {
      // After a deadline the page must not send it later by itself: this very attempt is called off.
      noted = isTimeout(problem) ? await this.page.abandonSend(id, attempt) : await this.page.readSent(id)
    } catch (thrown) {
      return { outcome: 'unknown', reason: 'no_answer', error: oneLine(problem ?? thrown) }
    }
    if (noted.load !== load) return { outcome: 'unknown', reason: 'outcome_unknown', error: 'The page was reloaded.' }
    if (isTimeout(problem)) return { outcome: 'unknown', reason: 'no_answer', error: oneLine(problem) }
    const record = noted.record?.attempt === attempt ? noted.record : undefined
    if (record?.stage === 'error') {
      return { outcome: 'unknown', reason: 'outcome_unknown', error: oneLine(record.error) }
    }
    if (record) return { outcome: 'dispatched' }
    if (problem === undefined) return { outcome: 'failed', reason: 'chat_not_found' }
    return { outcome: 'failed', reason: refusal(chatId, content, problem), error: oneLine(problem) }
  }

  /**
   * Channels and status go another way, which neither takes our id nor can be looked at afterwards: at most once. The
   * library waits there until the server has it.
   */
  async #sendPastHook(message: OutgoingMessage, chatId: string, prepared: Prepared): Promise<SendOutcome> {
    const limit = this.sendMs + Math.ceil(prepared.bytes / 2 ** 20) * msPerMebibyte
    const options = { ...prepared.options, sendSeen: false, extra: prepared.extra }
    try {
      const sent = await within(this.client().sendMessage(chatId, prepared.content, options), limit, 'The send')
      if (!sent) return { outcome: 'failed', reason: 'not_supported' }
    } catch (thrown) {
      return { outcome: 'unknown', reason: 'held', error: oneLine(thrown) }
    }
    this.tell({ kind: 'ack', waMessageId: message.waMessageId, chatId: message.to, status: 'sent' })
    return { outcome: 'dispatched' }
  }

  /** A reaction is a state without an id of its own: once the page has sent it, it is sent. */
  async #react(
    { waMessageId, to }: OutgoingMessage,
    { waMessageId: target, emoji }: { waMessageId: string; emoji: string },
  ): Promise<SendOutcome> {
    const echo = `${target} ${emoji}`
    remember(this.#ownReactions, echo, true)
    try {
      const found = await this.page.react(target, (await this.#chat(to)) ?? to, emoji, this.sendMs)
      if (!found) {
        this.#ownReactions.delete(echo)
        return { outcome: 'failed', reason: 'reaction_target_not_found' }
      }
    } catch (thrown) {
      if (isTimeout(thrown)) return { outcome: 'unknown', reason: 'no_answer', error: oneLine(thrown) }
      this.#ownReactions.delete(echo)
      return { outcome: 'failed', reason: 'send_failed', error: oneLine(thrown) }
    }
    this.tell({ kind: 'ack', waMessageId, chatId: to, status: 'sent' })
    return { outcome: 'dispatched' }
  }

  async #chat(to: string): Promise<string | undefined> {
    if (!to.endsWith('@c.us') || this.#chatIds.has(to)) return this.#chatIds.get(to) ?? to
    if (!(await this.page.chatIsOpen(to))) return this.chatOfNumber(to)
    remember(this.#chatIds, to, to)
    return to
  }

  /** Undefined when the message to reply to is nowhere to be found. */
  async #options(
    message: OutgoingMessage,
    chatId: string,
    { options }: Prepared,
  ): Promise<Prepared['options'] | undefined> {
    const mentions = message.mentions.map((id) => (id.includes('@') ? id : `${id.replace(/\D/g, '')}@c.us`))
    const complete = { ...options, ...(mentions.length > 0 && { mentions }) }
    if (message.replyTo === undefined) return complete
    const quoted = await this.page.findMessage(message.replyTo, chatId)
    return quoted && { ...complete, quotedMessageId: quoted.key, ignoreQuoteErrors: false }
  }
}

/** Until then nothing can have gone out; but a page that does not answer is no reason to give the message up. */
function beforeDispatch(thrown: unknown): SendOutcome {
  if (thrown instanceof AppError && thrown.code === 'not_supported') {
    return { outcome: 'failed', reason: thrown.reason as Reason, error: thrown.message }
  }
  if (isTimeout(thrown)) return { outcome: 'unknown', reason: 'no_answer', error: oneLine(thrown) }
  return { outcome: 'unknown', reason: 'outcome_unknown', error: oneLine(thrown) }
}

function refusal(chatId: string, content: Content, problem: unknown): Reason {
  if (/No LID for user/.test(String(problem))) return chatId.endsWith('@g.us') ? 'chat_not_found' : 'not_on_whatsapp'
  // A line that broke during the upload says nothing about the file.
  return content.type in mediaKinds && !/upload/i.test(String(problem)) ? 'media_rejected' : 'send_failed'
}

const mediaKinds = { image: 1, video: 1, audio: 1, voice: 1, document: 1, sticker: 1 }

/** Keeps the latest 10,000. */
function remember<Value>(map: Map<string, Value>, key: string, value: Value): void {
  map.delete(key)
  map.set(key, value)
  if (map.size <= 10_000) return
  for (const oldest of map.keys()) {
    map.delete(oldest)
    return
  }
}
