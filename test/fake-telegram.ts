import { randomUUID } from 'node:crypto'
import { BotMessages, type ShownMessage } from './fake-telegram-messages.js'
import { createFakeUser, type FakeChat, type FakeUser } from './fake-telegram-user.js'
import { type BotApiCall, BotApiError, serveBotApi } from './fake-telegram-server.js'

export type { ShownMessage } from './fake-telegram-messages.js'
export type { FakeChat, FakeUser } from './fake-telegram-user.js'

type Update = Record<string, unknown> & { update_id: number }
/** The first call of a kind gets this answer instead of Telegram's. */
interface Trouble {
  method: string
  times: number
  error: BotApiError
}

/** A stand-in for Telegram's Bot API over real HTTP, with users that a test drives. As strict as Telegram is. */
export class FakeTelegram {
  readonly botId = 4242
  readonly token = `${this.botId}:stand-in-${randomUUID()}`
  readonly username = 'switchboard_test_bot'
  apiRoot = ''
  /** Every call, oldest first. */
  readonly calls: BotApiCall[] = []
  commands: { command: string; description: string }[] = []
  webhook: { url: string; secret: string } | undefined
  /** Status codes that the bot's webhook answered with. */
  readonly webhookAnswers: number[] = []

  private readonly sent = new BotMessages(
    () => ++this.lastMessageId,
    (id) => this.knownChats.has(id),
  )
  private readonly files = new Map<string, Buffer>()
  private readonly answeredTaps: { id: string; text: string }[] = []
  private readonly knownChats = new Set<number>()
  private readonly troubles: Trouble[] = []
  private readonly held = new Map<string, Promise<void>>()
  private readonly changed = new Set<() => void>()
  private readonly pollers = new Set<() => void>()
  private updates: Update[] = []
  private lastUpdateId = 100
  private lastMessageId = 10
  private fileCount = 0
  private closeServer: () => Promise<void> = () => Promise.resolve()

  async start(): Promise<this> {
    const server = await serveBotApi({
      token: this.token,
      call: (call) => this.handle(call),
      file: (path) => this.files.get(path),
    })
    this.apiRoot = server.apiRoot
    this.closeServer = server.close
    return this
  }

  stop(): Promise<void> {
    return this.closeServer()
  }

  /** The next calls of this method (all methods: `*`) fail. */
  fails(method: string, status: number, { times = 1, retryAfter }: { times?: number; retryAfter?: number } = {}): void {
    const parameters = retryAfter === undefined ? undefined : { retry_after: retryAfter }
    const description = status === 429 ? `Too Many Requests: retry after ${retryAfter ?? 1}` : `Error ${status}`
    this.troubles.push({ method, times, error: new BotApiError(status, description, parameters) })
  }

  /** Calls of this method get no answer until the returned function is called. */
  holds(method: string): () => void {
    let release = () => {}
    const released = new Promise<void>((resolve) => (release = resolve))
    this.held.set(method, released)
    return () => {
      this.held.delete(method)
      release()
    }
  }

  callsOf(method: string): BotApiCall[] {
    return this.calls.filter((call) => call.method === method)
  }

  /** What the bot answered to taps, oldest first. */
  tapAnswers(): string[] {
    return this.answeredTaps.map(({ text }) => text)
  }

  user(id: number, name = `User ${id}`): FakeUser {
    return createFakeUser(id, name, {
      nextMessageId: () => ++this.lastMessageId,
      chat: (chatId) => this.chat(chatId),
      know: (chatId) => void this.knownChats.add(chatId),
      push: (update) => void this.push(update),
      keepFile: (kind, bytes) => this.keepFile(kind, bytes),
      asMessage: (messageId, chatId) => this.asMessage(messageId, chatId),
    })
  }

  chat(id: number): FakeChat {
    const messages = () => this.sent.list.filter((message) => message.chatId === id)
    return {
      messages,
      next: (matches, timeoutMs = 10_000) => {
        const test = (message: ShownMessage) =>
          typeof matches === 'function'
            ? matches(message)
            : typeof matches === 'string'
              ? message.text.includes(matches)
              : matches.test(message.text)
        return this.until(
          () => messages().find(test),
          timeoutMs,
          () =>
            `no such message (${String(matches)}); there are: ${JSON.stringify(messages().map(({ text }) => text))}`,
        )
      },
    }
  }

  /** Waits until `look` finds something; looks again whenever the bot called. */
  until<T>(look: () => T | undefined, timeoutMs = 10_000, problem = () => 'nothing of the kind happened'): Promise<T> {
    return new Promise((resolve, reject) => {
      const finish = () => {
        clearTimeout(timer)
        this.changed.delete(check)
      }
      const check = () => {
        const found = look()
        if (found === undefined) return
        finish()
        resolve(found)
      }
      const timer = setTimeout(() => {
        finish()
        reject(new Error(`Within ${timeoutMs} ms ${problem()}`))
      }, timeoutMs)
      this.changed.add(check)
      check()
    })
  }

  /** Delivers an update as it is; with the id of an earlier one it is a redelivery. */
  push(update: Record<string, unknown>, updateId = ++this.lastUpdateId): number {
    const full = { update_id: updateId, ...(JSON.parse(JSON.stringify(update)) as object) }
    this.sentUpdates.push(full)
    this.updates.push(full)
    if (this.webhook) void this.deliver(full)
    for (const poller of this.pollers) poller()
    return updateId
  }

  /** Delivers the newest update once more, as Telegram does when it did not hear that it arrived. */
  redelivers(): void {
    const last = this.sentUpdates.at(-1)
    if (!last) throw new Error('There was no update yet')
    const { update_id, ...update } = last
    this.push(update, update_id)
  }

  private readonly sentUpdates: Update[] = []

  private keepFile(kind: string, bytes: Buffer) {
    const file_id = `file-${++this.fileCount}`
    this.files.set(`${kind}s/${file_id}`, bytes)
    return { file_id, file_unique_id: `unique-${file_id}`, file_size: bytes.length, width: 640, height: 480 }
  }

  private asMessage(messageId: number, chatId: number) {
    const shown = this.sent.list.find((message) => message.id === messageId && message.chatId === chatId)
    const original = this.sentUpdates.find(
      ({ message }) => (message as { message_id?: number } | undefined)?.message_id === messageId,
    )?.message
    if (!shown && original) return original
    return {
      message_id: messageId,
      date: Math.floor(Date.now() / 1000),
      chat: { id: chatId, type: chatId < 0 ? 'supergroup' : 'private' },
      from: { id: this.botId, is_bot: true, first_name: 'Switchboard', username: this.username },
      text: shown?.text ?? '',
    }
  }

  /** Something happened: whoever waits for a fact looks again. */
  private look(): void {
    for (const check of [...this.changed]) check()
  }

  private shownAs({ id, chatId }: ShownMessage) {
    return this.asMessage(id, chatId)
  }

  private async handle(call: BotApiCall): Promise<unknown> {
    this.calls.push(call)
    this.look()
    const trouble = this.troubles.find(({ method, times }) => times > 0 && (method === '*' || method === call.method))
    if (trouble) {
      trouble.times -= 1
      throw trouble.error
    }
    const { signal } = call
    const hungUp = new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve()))
    const held = this.held.get(call.method)
    if (held) await Promise.race([held, hungUp])
    if (signal.aborted) throw new BotApiError(499, 'Nobody waits for the answer')
    try {
      return await this.respond(call)
    } finally {
      this.look()
    }
  }

  private respond(call: BotApiCall): unknown {
    const { method, fields } = call
    switch (method) {
      case 'getMe':
        return { id: this.botId, is_bot: true, first_name: 'Switchboard', username: this.username }
      case 'getUpdates':
        return this.poll(call)
      case 'setWebhook':
        this.webhook = { url: String(fields.url), secret: String(fields.secret_token ?? '') }
        return true
      case 'deleteWebhook':
        this.webhook = undefined
        return true
      case 'setMyCommands':
        this.commands = fields.commands as typeof this.commands
        return true
      case 'sendChatAction':
        return true
      case 'answerCallbackQuery':
        this.answeredTaps.push({ id: String(fields.callback_query_id), text: String(fields.text ?? '') })
        return true
      case 'getFile': {
        const id = String(fields.file_id)
        const path = [...this.files.keys()].find((known) => known.endsWith(`/${id}`))
        if (!path) throw new BotApiError(400, 'Bad Request: invalid file_id')
        const size = this.files.get(path)?.length ?? 0
        if (size > 20 * 2 ** 20) throw new BotApiError(400, 'Bad Request: file is too big')
        return { file_id: id, file_unique_id: id, file_size: size, file_path: path }
      }
      default:
        if (/^send[A-Z]/.test(method)) return this.shownAs(this.sent.send(call))
        if (/^editMessage(Text|Media|Caption|ReplyMarkup)$/.test(method)) return this.shownAs(this.sent.edit(call))
        throw new BotApiError(404, 'Not Found')
    }
  }

  private async poll({ fields, signal }: BotApiCall): Promise<Update[]> {
    if (this.webhook) throw new BotApiError(409, "Conflict: can't use getUpdates method while webhook is active")
    this.updates = this.updates.filter(({ update_id }) => update_id >= Number(fields.offset ?? 0))
    // A newer poll ends the one that is waiting.
    let replaced = false
    const others = [...this.pollers]
    this.pollers.clear()
    for (const other of others) other()
    if (this.updates.length === 0 && Number(fields.timeout ?? 0) > 0) {
      await new Promise<void>((resolve) => {
        const wake = () => {
          replaced = !this.pollers.delete(wake)
          clearTimeout(timer)
          resolve()
        }
        const timer = setTimeout(wake, Number(fields.timeout) * 1000)
        signal.addEventListener('abort', wake)
        this.pollers.add(wake)
      })
    }
    if (replaced) throw new BotApiError(409, 'Conflict: terminated by other getUpdates request')
    return this.updates.slice(0, Number(fields.limit ?? 100))
  }

  private async deliver(update: Update): Promise<void> {
    const { webhook } = this
    if (!webhook) return
    const response = await fetch(webhook.url, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'x-telegram-bot-api-secret-token': webhook.secret },
      body: JSON.stringify(update),
    })
    this.webhookAnswers.push(response.status)
    this.look()
  }
}
