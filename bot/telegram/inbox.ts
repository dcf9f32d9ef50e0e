import type { Update } from 'telegraf/types'
import { type Clock, sleep } from '../../runtime/clock.js'
import type { Service } from '../../runtime/lifecycle.js'
import type { Logger } from '../../runtime/log.js'
import type { BotState } from '../bot-state.js'
import { isFromOperator } from '../only-operators.js'

/** An update that keeps ending the process is given up after this. */
const MAX_ATTEMPTS = 3
const GRACE_MS = 2_000

export type UpdateWatch = (result: 'handled' | 'failed' | 'given_up' | 'repeated' | 'ignored') => void

interface Outside {
  state: BotState
  operators: readonly number[]
  handle: (update: Update) => Promise<void>
  /** For the metrics. */
  onUpdate: UpdateWatch
  clock: Clock
  log: Logger
}

/**
 * Updates on their way in. Each operator's update is written down before Telegram is told that it arrived, is handled
 * once however often Telegram delivers it, in order per chat, and is taken up again after a crash.
 */
export class Inbox implements Service {
  private readonly chats = new Map<number, Promise<void>>()
  private open = false

  constructor(private readonly outside: Outside) {}

  /** Takes up what an earlier run left. */
  start(): Promise<void> {
    this.open = true
    const { state } = this.outside
    const left = state.all<{ content: string }>(
      'SELECT content FROM updates WHERE content IS NOT NULL ORDER BY update_id',
    )
    for (const { content } of left) this.schedule(JSON.parse(content) as Update)
    return Promise.resolve()
  }

  /** What is not finished within a moment is taken up by the next start. */
  async stop(): Promise<void> {
    this.open = false
    const waited = new AbortController()
    await Promise.race([Promise.all(this.chats.values()), sleep(GRACE_MS, waited.signal)])
    waited.abort()
  }

  take(update: Update): void {
    const { state, operators, onUpdate, clock, log } = this.outside
    if (!isFromOperator(update, operators)) {
      onUpdate('ignored')
      log.debug({ update: update.update_id }, 'update.ignored')
      return
    }
    const { changes } = state.run(
      'INSERT OR IGNORE INTO updates (update_id, content, received_at) VALUES (?, ?, ?)',
      update.update_id,
      JSON.stringify(update),
      clock(),
    )
    if (changes === 0) {
      onUpdate('repeated')
      return log.info({ update: update.update_id }, 'update.repeated')
    }
    this.schedule(update)
  }

  private schedule(update: Update): void {
    const chat = chatOf(update)
    const before = this.chats.get(chat) ?? Promise.resolve()
    const work: Promise<void> = before
      .then(() => this.process(update.update_id))
      .finally(() => {
        if (this.chats.get(chat) === work) this.chats.delete(chat)
      })
    this.chats.set(chat, work)
  }

  private async process(id: number): Promise<void> {
    const { state, handle, onUpdate, log } = this.outside
    // Not connected yet, or stopping: the next start finds it where it is.
    if (!this.open) return
    try {
      const row = state.get<{ content: string | null; attempts: number }>(
        'SELECT content, attempts FROM updates WHERE update_id = ?',
        id,
      )
      if (!row?.content) return
      state.run('UPDATE updates SET attempts = attempts + 1 WHERE update_id = ?', id)
      const again = row.attempts < MAX_ATTEMPTS
      if (again) await handle(JSON.parse(row.content) as Update)
      else log.error({ update: id }, 'update.given_up')
      onUpdate(again ? 'handled' : 'given_up')
      if (this.open) state.run('UPDATE updates SET content = NULL WHERE update_id = ?', id)
    } catch (err) {
      onUpdate('failed')
      log.error({ err, update: id }, 'update.failed')
    }
  }
}

function chatOf(update: Update): number {
  if ('callback_query' in update) return update.callback_query.message?.chat.id ?? update.callback_query.from.id
  return 'message' in update ? update.message.chat.id : 0
}
