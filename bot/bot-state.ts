import { chmodSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import Sqlite from 'better-sqlite3'
import type { Cursor, NodeId, SessionId } from '../proto/contract.js'
import { AppError } from '../runtime/app-error.js'
import type { Service } from '../runtime/lifecycle.js'

type Value = string | number | null

/** Appended to, never edited: `user_version` counts those that were run. */
const migrations = [
  `CREATE TABLE updates (
     update_id INTEGER PRIMARY KEY,
     content TEXT,              -- the update as Telegram sent it, until it is done
     attempts INTEGER NOT NULL DEFAULT 0,
     received_at INTEGER NOT NULL
   );
   CREATE TABLE choices (
     id INTEGER PRIMARY KEY AUTOINCREMENT,
     content TEXT NOT NULL,     -- the update that waits for a session to be chosen
     expires_at INTEGER NOT NULL
   );
   CREATE TABLE cursors (
     node_id TEXT PRIMARY KEY,
     epoch TEXT NOT NULL,
     position INTEGER NOT NULL
   );
   CREATE TABLE sends (
     message_id TEXT PRIMARY KEY,
     wa_message_id TEXT NOT NULL,
     wa_chat_id TEXT NOT NULL,
     session_id TEXT NOT NULL,
     chat_id INTEGER NOT NULL,
     command_id INTEGER NOT NULL,   -- the Telegram message that asked for it
     answer_id INTEGER,             -- the Telegram message that shows how far it is
     status TEXT NOT NULL,
     reason TEXT,
     error TEXT,
     shown TEXT,                    -- the status and reason that the answer shows
     created_at INTEGER NOT NULL
   );
   CREATE INDEX sends_by_wa_id ON sends (session_id, wa_message_id);
   CREATE TABLE watches (
     chat_id INTEGER NOT NULL,
     session_id TEXT NOT NULL,
     PRIMARY KEY (chat_id, session_id)
   );
   CREATE TABLE pending_relays (
     id INTEGER PRIMARY KEY AUTOINCREMENT,
     chat_id INTEGER NOT NULL,
     event TEXT NOT NULL,           -- kept only until it is relayed
     attempts INTEGER NOT NULL DEFAULT 0
   );
   CREATE TABLE relayed (
     chat_id INTEGER NOT NULL,
     message_id INTEGER NOT NULL,
     session_id TEXT NOT NULL,
     wa_chat_id TEXT NOT NULL,
     wa_message_id TEXT NOT NULL,
     at INTEGER NOT NULL,
     PRIMARY KEY (chat_id, message_id)
   );
   CREATE INDEX relayed_by_wa_id ON relayed (session_id, wa_message_id);
   CREATE TABLE qr_photos (
     chat_id INTEGER NOT NULL,
     message_id INTEGER,            -- null until there is a QR code to show
     session_id TEXT NOT NULL,
     form TEXT NOT NULL,            -- photo | text (a pairing code)
     created_at INTEGER NOT NULL,
     PRIMARY KEY (chat_id, session_id)
   );
   CREATE TABLE session_names (
     session_id TEXT PRIMARY KEY,
     name TEXT NOT NULL
   );
   CREATE TABLE linked_sessions (session_id TEXT PRIMARY KEY);
   CREATE TABLE incidents (
     session_id TEXT PRIMARY KEY,
     kind TEXT NOT NULL,
     since INTEGER NOT NULL,
     due_at INTEGER NOT NULL,
     told INTEGER NOT NULL DEFAULT 0,
     over_at INTEGER                -- set when it ended; operators who were told are told that too
   );`,
  `CREATE TABLE held_messages (     -- not sent from Telegram: operators were, or are to be, asked about them
     message_id TEXT PRIMARY KEY,
     session_id TEXT NOT NULL,
     wa_chat_id TEXT NOT NULL,
     told INTEGER NOT NULL DEFAULT 0,
     at INTEGER NOT NULL
   );`,
  // How far the gateway's notices were read.
  'CREATE TABLE notices (one INTEGER PRIMARY KEY CHECK (one = 1), cursor TEXT NOT NULL);',
  // What operators did that the gateway's audit log has not been told yet.
  `CREATE TABLE audit (
     id TEXT PRIMARY KEY, actor TEXT NOT NULL, action TEXT NOT NULL, tenant TEXT NOT NULL, target TEXT NOT NULL,
     trace TEXT NOT NULL, at INTEGER NOT NULL
   );`,
]

const DAY = 86_400_000

/** What the bot remembers: `DATA_DIR/bot.sqlite`. Who asks what is in the files that use it. */
export class BotState implements Service {
  private db: Sqlite.Database | undefined
  private readonly statements = new Map<string, Sqlite.Statement>()

  constructor(private readonly dataDir: string) {}

  start(): Promise<void> {
    mkdirSync(this.dataDir, { recursive: true, mode: 0o700 })
    const file = join(this.dataDir, 'bot.sqlite')
    const db = new Sqlite(file, { timeout: 1_000 })
    try {
      chmodSync(file, 0o600)
      // Holding the file is what keeps a second bot off the same state.
      db.pragma('locking_mode = EXCLUSIVE')
      db.pragma('journal_mode = WAL')
      db.pragma('synchronous = FULL')
      // The text of messages is in here until they are done with; then it is overwritten, not only forgotten.
      db.pragma('secure_delete = ON')
      db.transaction(() => migrate(db)).immediate()
    } catch (error) {
      db.close()
      if ((error as { code?: string }).code !== 'SQLITE_BUSY') throw error
      throw new AppError('conflict', `Another bot is running on ${file}`, { reason: 'state_in_use', cause: error })
    }
    this.db = db
    return Promise.resolve()
  }

  stop(): Promise<void> {
    this.statements.clear()
    this.db?.close()
    this.db = undefined
    return Promise.resolve()
  }

  run(sql: string, ...values: Value[]): { changes: number; lastInsertRowid: number | bigint } {
    return this.prepared(sql).run(...values)
  }

  get<Row>(sql: string, ...values: Value[]): Row | undefined {
    return this.prepared(sql).get(...values) as Row | undefined
  }

  all<Row>(sql: string, ...values: Value[]): Row[] {
    return this.prepared(sql).all(...values) as Row[]
  }

  /** All of it or nothing. May be called inside another. */
  transaction<Result>(work: () => Result): Result {
    return this.open().transaction(work)()
  }

  cursorOf(nodeId: NodeId): Cursor | undefined {
    return this.get<Cursor>('SELECT epoch, position FROM cursors WHERE node_id = ?', nodeId)
  }

  saveCursor(nodeId: NodeId, { epoch, position }: Cursor): void {
    this.run('INSERT OR REPLACE INTO cursors (node_id, epoch, position) VALUES (?, ?, ?)', nodeId, epoch, position)
  }

  rememberName(sessionId: SessionId, name: string): void {
    this.run('INSERT OR REPLACE INTO session_names VALUES (?, ?)', sessionId, name)
  }

  /** Also of a session whose node has not answered yet. Its id when it was never seen. */
  nameOf(sessionId: SessionId): string {
    const sql = 'SELECT name FROM session_names WHERE session_id = ?'
    return this.get<{ name: string }>(sql, sessionId)?.name ?? sessionId
  }

  /** A group got a new id. */
  moveChat(from: number, to: number): void {
    this.transaction(() => {
      for (const table of ['watches', 'qr_photos', 'pending_relays', 'sends']) {
        this.run(`UPDATE OR REPLACE ${table} SET chat_id = ? WHERE chat_id = ?`, to, from)
      }
    })
  }

  /** A session is gone for good. */
  forgetSession(sessionId: string): void {
    this.transaction(() => {
      for (const table of ['watches', 'qr_photos', 'linked_sessions', 'incidents']) {
        this.run(`DELETE FROM ${table} WHERE session_id = ?`, sessionId)
      }
    })
  }

  /** Drops what nobody can ask for any more. Telegram redelivers for a day; messages expire within a week. */
  prune(now: number): void {
    this.transaction(() => {
      this.run('DELETE FROM updates WHERE content IS NULL AND received_at < ?', now - 2 * DAY)
      this.run('DELETE FROM choices WHERE expires_at < ?', now)
      this.run('DELETE FROM sends WHERE created_at < ?', now - 30 * DAY)
      this.run('DELETE FROM held_messages WHERE at < ?', now - 30 * DAY)
      this.run('DELETE FROM relayed WHERE at < ?', now - 30 * DAY)
      this.run('DELETE FROM qr_photos WHERE created_at < ?', now - DAY)
    })
  }

  private prepared(sql: string): Sqlite.Statement {
    const known = this.statements.get(sql)
    if (known) return known
    const statement = this.open().prepare(sql)
    this.statements.set(sql, statement)
    return statement
  }

  private open(): Sqlite.Database {
    if (!this.db) throw new Error('The state of the bot is not open')
    return this.db
  }
}

function migrate(db: Sqlite.Database): void {
  const version = db.pragma('user_version', { simple: true }) as number
  for (const sql of migrations.slice(version)) db.exec(sql)
  db.pragma(`user_version = ${migrations.length}`)
}
