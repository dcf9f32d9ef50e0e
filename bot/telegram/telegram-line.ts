import type { Telegraf } from 'telegraf'
import type { BotCommand, Update } from 'telegraf/types'
import { sleep } from '../../runtime/clock.js'
import type { Service } from '../../runtime/lifecycle.js'
import type { Logger } from '../../runtime/log.js'
import type { WebhookConfig } from '../config.js'
import { type TelegramApi, TelegramCallError } from './telegram-api.js'

const POLL_SECONDS = 50
const WEBHOOK_MS = 600_000
const allowed_updates = ['message', 'callback_query'] as const

export interface LineTiming {
  firstRetryMs: number
  lastRetryMs: number
}

interface Outside {
  telegraf: Telegraf
  api: TelegramApi
  webhook: WebhookConfig | undefined
  menu: BotCommand[]
  take: (update: Update) => void
  /** Telegram answered: updates can be handled. */
  connected: () => Promise<void>
  log: Logger
  timing?: LineTiming
}

/**
 * The line to Telegram. Telegraf's own `launch` gives up when Telegram cannot be reached at start and when somebody
 * else polls with the same token; this one comes back by itself from everything.
 */
export class TelegramLine implements Service {
  private stopping = new AbortController()
  private loop: Promise<void> = Promise.resolve()
  private offset = 0

  constructor(private readonly outside: Outside) {}

  start(): Promise<void> {
    this.stopping = new AbortController()
    this.loop = this.keepUp(this.stopping.signal)
    return Promise.resolve()
  }

  async stop(): Promise<void> {
    this.stopping.abort()
    await this.loop
  }

  private async keepUp(signal: AbortSignal): Promise<void> {
    const { firstRetryMs, lastRetryMs } = this.outside.timing ?? { firstRetryMs: 1_000, lastRetryMs: 30_000 }
    let retryMs = firstRetryMs
    let known = false
    while (!signal.aborted) {
      try {
        if (!known) await this.connect(signal)
        known = true
        if (this.outside.webhook) {
          // Whoever polls with the same token takes the webhook away.
          await sleep(WEBHOOK_MS, signal)
          if (!signal.aborted) await this.setWebhook(this.outside.webhook, signal)
          continue
        }
        // A webhook that is set, by whomever, keeps updates from being polled.
        await this.outside.api.call('deleteWebhook', {}, { signal })
        for (;;) {
          await this.poll(signal)
          retryMs = firstRetryMs
        }
      } catch (error) {
        if (signal.aborted) return
        retryMs = this.waitAfter(error, retryMs)
        await sleep(retryMs, signal)
        retryMs = Math.min(retryMs * 2, lastRetryMs)
      }
    }
  }

  private async connect(signal: AbortSignal): Promise<void> {
    const { telegraf, api, webhook, menu, connected, log } = this.outside
    telegraf.botInfo = await api.call('getMe', {}, { signal })
    if (webhook) await this.setWebhook(webhook, signal)
    await api.call('setMyCommands', { commands: menu }, { signal })
    log.info({ bot: telegraf.botInfo.username, mode: webhook ? 'webhook' : 'polling' }, 'telegram.connected')
    await connected()
  }

  private async setWebhook({ url, secret }: WebhookConfig, signal: AbortSignal): Promise<void> {
    await this.outside.api.call('setWebhook', { url, secret_token: secret, allowed_updates }, { signal })
  }

  private async poll(signal: AbortSignal): Promise<void> {
    const { api, take } = this.outside
    const ask = { timeout: POLL_SECONDS, offset: this.offset, allowed_updates }
    const updates = await api.call('getUpdates', ask, { signal, timeoutMs: (POLL_SECONDS + 10) * 1_000 })
    for (const update of updates) {
      take(update)
      this.offset = update.update_id + 1
    }
  }

  /** Says what is wrong, and how long to leave Telegram alone. */
  private waitAfter(err: unknown, retryMs: number): number {
    const { log } = this.outside
    if (!(err instanceof TelegramCallError)) {
      log.error({ err }, 'telegram.line_broken')
      return retryMs
    }
    if (err.status === 401 || err.status === 404) {
      log.error({ err, hint: 'TELEGRAM_BOT_TOKEN is not a token that Telegram knows' }, 'telegram.token_refused')
      return Math.max(retryMs, 30_000)
    }
    if (err.status === 409) {
      log.warn({ retryMs, hint: 'another process polls with the same TELEGRAM_BOT_TOKEN' }, 'telegram.other_poller')
      return retryMs
    }
    log.warn({ err, retryMs }, 'telegram.unreachable')
    return err.parameters.retry_after === undefined ? retryMs : err.parameters.retry_after * 1_000
  }
}
