/** Looks at the rows themselves, past the gateway: what is measured must really be stored. */
import BetterSqlite from 'better-sqlite3'
import { createConnection } from 'mysql2/promise'

export interface MessageCounts {
  /** All messages. */
  stored(): Promise<number>
  /** Those that WhatsApp has, by their own status. */
  sent(): Promise<number>
  /** Whether some are on their way yet. */
  anyOpen(): Promise<boolean>
  close(): Promise<void>
}

const STORED = 'SELECT COUNT(*) AS n FROM messages'
const SENT = "SELECT COUNT(*) AS n FROM messages WHERE status IN ('sent', 'delivered', 'read', 'played')"
const OPEN =
  "SELECT COUNT(*) AS n FROM (SELECT id FROM messages WHERE status IN ('pending', 'unknown') LIMIT 1) AS open"

export function countsOnSqlite(file: string): MessageCounts {
  const db = new BetterSqlite(file, { readonly: true })
  const count = (sql: string) => Promise.resolve(Number((db.prepare(sql).get() as { n: number }).n))
  return countsBy(count, () => Promise.resolve(void db.close()))
}

export async function countsOnMysql(url: string): Promise<MessageCounts> {
  const connection = await createConnection(url)
  const count = async (sql: string) => {
    const [rows] = await connection.query(sql)
    return Number((rows as { n: number }[])[0]?.n)
  }
  return countsBy(count, () => connection.end())
}

function countsBy(count: (sql: string) => Promise<number>, close: () => Promise<void>): MessageCounts {
  return {
    stored: () => count(STORED),
    sent: () => count(SENT),
    anyOpen: async () => (await count(OPEN)) > 0,
    close,
  }
}
