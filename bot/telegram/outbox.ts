import type { Opts } from 'telegraf/types'
import { sleep } from '../../runtime/clock.js'
import type { Service } from '../../runtime/lifecycle.js'
import type { Logger } from '../../runtime/log.js'
import { Bucket } from './bucket.js'
import { type Method, type Result, type TelegramApi, TelegramCallError } from './telegram-api.js'

export interface OutboxLimits {
  /** Messages that a chat takes at once before the pace sets in. */
  burst: number
  /** Pace of a private chat and of a group (20 a minute), in ms per message. */
  chatMs: number
  groupMs: number
  /** Messages a second over all chats. */
  perSecond: number
  /** First wait before a call that got no answer is repeated; doubles each time. */
  retryMs: number
}

export const telegramLimits: OutboxLimits = { burst: 3, chatMs: 1_000, groupMs: 3_100, perSecond: 30, retryMs: 1_000 }

const MAX_TRIES = 5
const DRAIN_MS = 2_000

interface Item {
  /** Edits of one message share a key: only the newest is sent. */
  key?: string
  method: Method
  payload: Record<string, unknown>
  done: { resolve: (result: unknown) => void; reject: (error: unknown) => void }[]
}

interface Lane {
  chatId: number
  items: Item[]
  bucket: Bucket
  loop?: Promise<void>
}

/** Everything that goes to chats, in order per chat and within Telegram's limits. */
export class Outbox implements Service {
  private readonly lanes = new Map<number, Lane>()
  private readonly overall: Bucket
  private stopping = new AbortController()
  private moved: (from: number, to: number) => void = () => undefined

  constructor(
    private readonly api: TelegramApi,
    private readonly log: Logger,
    private readonly limits: OutboxLimits = telegramLimits,
  ) {
    this.overall = new Bucket(limits.perSecond, 1_000 / limits.perSecond)
  }

  /** A group that became a supergroup has a new id. */
  onChatMoved(listener: (from: number, to: number) => void): void {
    this.moved = listener
  }

  /** How many wait to be sent. */
  waiting(): number {
    return [...this.lanes.values()].reduce((sum, { items }) => sum + items.length, 0)
  }

  start(): Promise<void> {
    this.stopping = new AbortController()
    return Promise.resolve()
  }

  /** Gives what is queued a moment to go out, then drops it. */
  async stop(): Promise<void> {
    const loops = () => Promise.all([...this.lanes.values()].map(async (lane) => lane.loop))
    const drained = new AbortController()
    await Promise.race([loops(), sleep(DRAIN_MS, drained.signal)])
    drained.abort()
    this.stopping.abort()
    await loops()
    this.lanes.clear()
  }

  /** Throws `TelegramCallError` when Telegram refuses it, or does not answer for several tries. */
  send<M extends Method>(chatId: number, method: M, payload: Omit<Opts<M>, 'chat_id'>): Promise<Result<M>> {
    return this.enqueue(chatId, { method, payload }) as Promise<Result<M>>
  }

  /** Resolves when this edit, or a newer one of the same message, has been made. */
  async edit<M extends Method>(
    chatId: number,
    messageId: number,
    method: M,
    payload: Omit<Opts<M>, 'chat_id' | 'message_id'>,
  ): Promise<void> {
    const edit = { key: String(messageId), method, payload: { ...payload, message_id: messageId } }
    try {
      await this.enqueue(chatId, edit)
    } catch (error) {
      // It says what it should say already.
      if (error instanceof TelegramCallError && error.description.includes('message is not modified')) return
      throw error
    }
  }

  private enqueue(chatId: number, call: { key?: string; method: Method; payload: object }): Promise<unknown> {
    const lane = this.laneOf(chatId)
    return new Promise((resolve, reject) => {
      const payload = { ...call.payload } as Record<string, unknown>
      const waiting = call.key === undefined ? undefined : lane.items.find((item) => item.key === call.key)
      if (waiting) {
        waiting.method = call.method
        waiting.payload = payload
        waiting.done.push({ resolve, reject })
        return
      }
      lane.items.push({ ...call, payload, done: [{ resolve, reject }] })
      lane.loop ??= this.work(lane).finally(() => delete lane.loop)
    })
  }

  private laneOf(chatId: number): Lane {
    const known = this.lanes.get(chatId)
    if (known) return known
    const { burst, chatMs, groupMs } = this.limits
    const lane: Lane = { chatId, items: [], bucket: new Bucket(burst, chatId < 0 ? groupMs : chatMs) }
    this.lanes.set(chatId, lane)
    return lane
  }

  private async work(lane: Lane): Promise<void> {
    const { signal } = this.stopping
    while (lane.items.length > 0) {
      await lane.bucket.take(signal)
      await this.overall.take(signal)
      // Taken from the queue only now, so that newer edits could replace it while it waited.
      const item = lane.items.shift()
      if (!item) return
      try {
        const result = await this.perform(lane, item, signal)
        for (const { resolve } of item.done) resolve(result)
      } catch (error) {
        for (const { reject } of item.done) reject(error)
      }
    }
  }

  private async perform(lane: Lane, item: Item, signal: AbortSignal): Promise<unknown> {
    let failures = 0
    for (;;) {
      if (signal.aborted) throw new TelegramCallError(item.method, 0, 'the bot is stopping')
      try {
        // Built anew for each try: telegraf turns fields of the payload into parts of a form.
        const payload = { chat_id: lane.chatId, ...item.payload } as Opts<Method>
        return await this.api.call(item.method, payload, { signal })
      } catch (error) {
        if (!(error instanceof TelegramCallError)) throw error
        const { retry_after: retryAfter, migrate_to_chat_id: newId } = error.parameters
        if (newId !== undefined) {
          this.log.info({ chat: lane.chatId, newChat: newId }, 'chat.moved')
          this.moved(lane.chatId, newId)
          lane.chatId = newId
        } else if (error.status === 429) {
          this.log.warn({ chat: lane.chatId, retryAfter, method: item.method }, 'telegram.rate_limited')
          await sleep((retryAfter ?? 1) * 1_000, signal)
        } else if (error.passing && ++failures < MAX_TRIES) {
          this.log.warn({ err: error, failures }, 'telegram.call_repeated')
          await sleep(this.limits.retryMs * 2 ** (failures - 1), signal)
        } else throw error
      }
    }
  }
}
