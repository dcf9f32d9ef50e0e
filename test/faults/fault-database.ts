import BetterSqlite from 'better-sqlite3'
import { createPool, type Pool } from 'mysql2/promise'

type Row = Record<string, unknown>

export interface MessageRow {
  id: string
  session_id: string
  status: string
  reason: string | null
  wa_message_id: string
}

/** Looks into a gateway's database beside the gateway. */
export class FaultDatabase {
  private pool: Pool | undefined

  constructor(readonly url: string) {}

  async rows<Found = Row>(sql: string): Promise<Found[]> {
    if (this.url.startsWith('sqlite:')) {
      const file = new BetterSqlite(this.url.slice('sqlite:'.length), { readonly: true, timeout: 5_000 })
      try {
        return file.prepare(sql).all() as Found[]
      } finally {
        file.close()
      }
    }
    this.pool ??= createPool({ uri: this.url, connectionLimit: 2, timezone: 'Z' })
    return (await this.pool.query(sql))[0] as Found[]
  }

  /** Messages to send, in their order. */
  outgoing(): Promise<MessageRow[]> {
    return this.rows(
      `SELECT id, session_id, status, reason, wa_message_id FROM messages
       WHERE direction = 'out' AND origin <> 'phone' ORDER BY position`,
    )
  }

  /** Those of which it is not decided yet whether they went out. */
  open(): Promise<MessageRow[]> {
    return this.rows(
      `SELECT id, session_id, status, reason, wa_message_id FROM messages
       WHERE direction = 'out' AND status IN ('pending', 'unknown') ORDER BY position`,
    )
  }

  async close(): Promise<void> {
    await this.pool?.end()
    this.pool = undefined
  }
}
