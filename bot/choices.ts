import type { Update } from 'telegraf/types'
import type { Clock } from '../runtime/clock.js'
import type { BotState } from './bot-state.js'

const KEPT_MS = 3_600_000

/** Updates that wait for a tap: which session is meant, or whether to try again. */
export class Choices {
  constructor(
    private readonly state: BotState,
    private readonly clock: Clock,
  ) {}

  keep(update: Update): number {
    const sql = 'INSERT INTO choices (content, expires_at) VALUES (?, ?)'
    return Number(this.state.run(sql, JSON.stringify(update), this.clock() + KEPT_MS).lastInsertRowid)
  }

  find(id: number): Update | undefined {
    const sql = 'SELECT content FROM choices WHERE id = ? AND expires_at > ?'
    const row = this.state.get<{ content: string }>(sql, id, this.clock())
    return row && (JSON.parse(row.content) as Update)
  }
}
