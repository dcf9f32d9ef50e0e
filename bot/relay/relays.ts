import { type Media, mediaOf, type MediaType, type NodeEvent } from '../../proto/contract.js'
import { AppError } from '../../runtime/app-error.js'
import { type Clock, sleep } from '../../runtime/clock.js'
import type { Service } from '../../runtime/lifecycle.js'
import type { Logger } from '../../runtime/log.js'
import type { GatewayClient } from '../gateway-client.js'
import type { LiveSessions } from '../sessions/live-sessions.js'
import { Html, rich, lines, pieces } from '../telegram/html.js'
import type { Outbox } from '../telegram/outbox.js'
import type { Talk } from '../telegram/talk.js'
import { TelegramCallError } from '../telegram/telegram-api.js'
import type { PendingRelay, RelayRecords } from './relay-records.js'
import { CAPTION_LIMIT, fetchMedia, sendDocument, sendMedia, whyNoFile } from './relayed-media.js'
import { headOf, isRelayed, noteOf, textOf } from './relayed-text.js'

type Received = Extract<NodeEvent['body'], { kind: 'message_received' }>

/** Telegram's limit of 4,096 with room for the head. */
const TEXT_LIMIT = 3_800
/** A file that cannot be fetched for this many tries is relayed as a note. */
const MEDIA_TRIES = 6
/** What fails for a reason that does not pass must not hold up what is behind it. */
const MAX_TRIES = 10
const FIRST_RETRY_MS = 1_000
const LAST_RETRY_MS = 60_000

interface Parts {
  records: RelayRecords
  live: LiveSessions
  gateway: GatewayClient
  talk: Talk
  outbox: Outbox
  clock: Clock
  log: Logger
  retryMs?: number
}

/** Relays what comes in on watched sessions, in order per chat, from where it stopped. */
export class Relays implements Service {
  private readonly workers = new Map<number, Promise<void>>()
  private stopping = new AbortController()

  constructor(private readonly parts: Parts) {}

  start(): Promise<void> {
    this.stopping = new AbortController()
    for (const chatId of this.parts.records.waitingChats()) this.kick(chatId)
    return Promise.resolve()
  }

  async stop(): Promise<void> {
    this.stopping.abort()
    await Promise.all(this.workers.values())
  }

  /** Inside the transaction that saves the position. True when somebody watches. */
  note(event: NodeEvent): boolean {
    if (!isRelayed(event)) return false
    const chats = this.parts.records.watchers(event.sessionId)
    for (const chatId of chats) {
      this.parts.records.enqueue(chatId, event)
      // After the transaction that this is called in.
      setImmediate(() => this.kick(chatId))
    }
    return chats.length > 0
  }

  private kick(chatId: number): void {
    if (this.workers.has(chatId) || this.stopping.signal.aborted) return
    const worker = this.work(chatId, this.stopping.signal).finally(() => this.workers.delete(chatId))
    this.workers.set(chatId, worker)
  }

  private async work(chatId: number, signal: AbortSignal): Promise<void> {
    const { records, log, retryMs: firstRetryMs = FIRST_RETRY_MS } = this.parts
    let retryMs = firstRetryMs
    for (let next = records.next(chatId); next && !signal.aborted; next = records.next(chatId)) {
      const { id, event, attempts } = next
      try {
        await this.relay(next)
        retryMs = firstRetryMs
      } catch (err) {
        if (signal.aborted) return
        const where = { err, chat: chatId, event: event.id, session: event.sessionId }
        if (err instanceof TelegramCallError && !err.passing) {
          // Telegram will never take it, or the bot is not wanted there any more.
          log.warn(where, 'relay.refused')
          records.done(id, [], 0)
          continue
        }
        if (!isOutage(err) && attempts + 1 >= MAX_TRIES) {
          log.error(where, 'relay.given_up')
          records.done(id, [], 0)
          continue
        }
        log.warn({ ...where, retryMs }, 'relay.repeated')
        records.failed(id)
        await sleep(retryMs, signal)
        retryMs = Math.min(retryMs * 2, LAST_RETRY_MS)
      }
    }
  }

  private async relay(pending: PendingRelay): Promise<void> {
    const { records, talk, clock, live } = this.parts
    const { chatId, event } = pending
    const { body, sessionId } = event
    if (body.kind === 'message_received') {
      const messageIds = await this.relayMessage(pending, body)
      const origin = { chatId, sessionId, waChatId: body.chatId, waMessageId: body.waMessageId }
      return records.done(
        pending.id,
        messageIds.map((messageId) => ({ ...origin, messageId })),
        clock(),
      )
    }
    const note = noteOf(body, live.nameOf(sessionId))
    const about = 'waMessageId' in body ? records.placeOf(chatId, sessionId, body.waMessageId) : undefined
    if (note) await talk.say(chatId, note, { replyTo: about })
    records.done(pending.id, [], clock())
  }

  private async relayMessage(pending: PendingRelay, body: Received): Promise<number[]> {
    const { records, talk, live, outbox } = this.parts
    const { chatId, event } = pending
    const { content } = body
    const head = headOf(body, live.nameOf(event.sessionId))
    const quoted = body.replyTo ? records.placeOf(chatId, event.sessionId, body.replyTo) : undefined
    const media = mediaOf(content)
    if (!media) {
      const ids = await this.say(chatId, head, textOf(content), quoted)
      if (content.type !== 'location') return ids
      const { latitude, longitude } = content.location
      const pin = await outbox.send(chatId, 'sendLocation', { latitude, longitude })
      return [...ids, pin.message_id]
    }

    const file = await this.fileOf(pending, body, media)
    const caption = media.caption ?? ''
    const type = content.type as MediaType
    if (typeof file === 'string')
      return this.say(chatId, head, `(${type}: ${file})${caption && `\n${caption}`}`, quoted)
    const whole = lines(head, caption === '' ? null : rich`${caption}`)
    // Measured with its mark-up, which is on the safe side.
    const fits = type !== 'sticker' && whole.text.length <= CAPTION_LIMIT
    const before = type === 'sticker' ? [await talk.say(chatId, head, { replyTo: quoted })] : []
    const message = { type, media, bytes: file, caption: fits ? whole : head, replyTo: quoted }
    const id = await this.sendFile(chatId, message)
    const after = fits || caption === '' ? [] : await this.say(chatId, new Html(''), caption, id)
    return [...before, id, ...after]
  }

  private async sendFile(chatId: number, message: Parameters<typeof sendMedia>[2]): Promise<number> {
    const { outbox, log } = this.parts
    try {
      return await sendMedia(outbox, chatId, message)
    } catch (error) {
      if (!(error instanceof TelegramCallError) || error.status !== 400) throw error
      log.info({ err: error, type: message.type }, 'relay.sent_as_file')
      return (await sendDocument(outbox, chatId, message)).message_id
    }
  }

  /** The bytes, or why there are none. */
  private async fileOf({ event, attempts }: PendingRelay, body: Received, media: Media): Promise<Buffer | string> {
    const { live, gateway } = this.parts
    const why = whyNoFile(media)
    if (why !== null) return why
    const { sessionId } = event
    const session = live.find(sessionId)
    try {
      // The node has it first; once the gateway has copied it, only the gateway does.
      if (session) return await fetchMedia(media, live.clientOf(session))
    } catch (error) {
      if (!(error instanceof AppError)) throw error
    }
    try {
      return await gateway.mediaOf({ sessionId, chatId: body.chatId, waMessageId: body.waMessageId })
    } catch (error) {
      if (!(error instanceof AppError)) throw error
      if (attempts + 1 >= MEDIA_TRIES) return 'the file could not be fetched'
      throw new AppError('unavailable', 'The file cannot be fetched now.', { cause: error })
    }
  }

  private async say(chatId: number, head: Html, text: string, quoted: number | undefined): Promise<number[]> {
    const ids: number[] = []
    for (const [i, piece] of pieces(text, TEXT_LIMIT).entries()) {
      const part = i === 0 && head.text !== '' ? lines(head, rich`${piece}`) : rich`${piece}`
      if (part.text.trim() === '') continue
      ids.push(await this.parts.talk.say(chatId, part, { replyTo: ids[0] ?? quoted }))
    }
    return ids
  }
}

/** Telegram or a node does not answer, for now. */
function isOutage(error: unknown): boolean {
  if (error instanceof TelegramCallError) return error.passing
  return error instanceof AppError && (error.code === 'unavailable' || error.code === 'timeout')
}
