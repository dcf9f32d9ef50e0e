import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import Sqlite from 'better-sqlite3'
import type { NodeId } from '../../proto/contract.js'
import { AppError } from '../../runtime/app-error.js'
import { newId } from '../../runtime/ids.js'
import type { Service } from '../../runtime/lifecycle.js'
import { schemaSteps } from './schema.js'

export interface JournalOptions {
  dataDir: string
  /** The id this node must have; made and kept unless given. */
  nodeId?: NodeId | undefined
}

type Value = string | number | bigint | null
type Row = Record<string, Value>

interface Write {
  work: () => unknown
  resolve: (result: unknown) => void
  reject: (error: unknown) => void
}

const MAX_WRITES_PER_COMMIT = 1_000
/** Between two commits passes as long as the last one took, but not more: on a slow disk more writes share each. */
const LONGEST_PAUSE_MS = 5
/** What need not be on the disk at once gets there this soon. */
const EVENTUALLY_MS = 50

/**
 * The node's own SQLite file. Holding it open is the lock on DATA_DIR, and with it on every browser profile in there.
 * All writes go through `write`, which commits what came in the same tick together: one fsync for all of them.
 */
export class Journal implements Service {
  private db: Sqlite.Database | undefined
  private readonly statements = new Map<string, Sqlite.Statement>()
  private readonly listeners = new Set<() => void>()
  private queue: Write[] = []
  private scheduled: (() => void) | undefined
  private eventually: NodeJS.Timeout | undefined
  private lastCommit = { endedAt: 0, tookMs: 0 }

  constructor(private readonly options: JournalOptions) {}

  async start(): Promise<void> {
    const { dataDir } = this.options
    await mkdir(dataDir, { recursive: true, mode: 0o700 })
    const db = new Sqlite(join(dataDir, 'journal.sqlite'), { timeout: 2_000 })
    try {
      db.pragma('locking_mode = EXCLUSIVE')
      db.pragma('journal_mode = WAL')
      db.pragma('synchronous = FULL')
      db.pragma('wal_autocheckpoint = 2000')
      db.exec('BEGIN EXCLUSIVE; COMMIT')
      this.db = db
      this.migrate(db)
      this.identify(db)
    } catch (error) {
      this.db = undefined
      db.close()
      if (error instanceof Sqlite.SqliteError && error.code.startsWith('SQLITE_BUSY')) {
        throw new AppError('conflict', `Another session node is running on ${dataDir}. Give each its own DATA_DIR.`, {
          reason: 'data_dir_in_use',
          cause: error,
        })
      }
      throw error
    }
  }

  /** Commits what is waiting and gives the lock back. */
  stop(): Promise<void> {
    while (this.db && this.queue.length > 0) this.commit()
    clearTimeout(this.eventually)
    this.eventually = undefined
    this.scheduled?.()
    this.scheduled = undefined
    this.db?.close()
    this.db = undefined
    this.statements.clear()
    return Promise.resolve()
  }

  /**
   * Runs `work` in a transaction and resolves once it is on the disk. Many share one commit; when one of them throws,
   * each is done again alone, so `work` changes nothing but the file and may run twice.
   */
  write<Result>(work: () => Result): Promise<Result> {
    this.schedule()
    return this.enqueue(work)
  }

  /** For what a crash may undo: it rides on the next commit of others, or makes one of its own a little later. */
  writeEventually<Result>(work: () => Result): Promise<Result> {
    this.eventually ??= setTimeout(() => this.schedule(), EVENTUALLY_MS)
    return this.enqueue(work)
  }

  /** Runs after each commit. Returns the way to stop listening. */
  onCommit(listener: () => void): () => void {
    this.listeners.add(listener)
    return () => this.listeners.delete(listener)
  }

  all<Found = Row>(sql: string, ...values: Value[]): Found[] {
    return this.statement(sql).all(...values) as Found[]
  }

  get<Found = Row>(sql: string, ...values: Value[]): Found | undefined {
    return this.statement(sql).get(...values) as Found | undefined
  }

  /** Only inside `write`. */
  run(sql: string, ...values: Value[]): { changes: number; position: number } {
    const { changes, lastInsertRowid } = this.statement(sql).run(...values)
    return { changes, position: Number(lastInsertRowid) }
  }

  private statement(sql: string): Sqlite.Statement {
    const known = this.statements.get(sql)
    if (known) return known
    const statement = this.opened().prepare(sql)
    this.statements.set(sql, statement)
    return statement
  }

  private opened(): Sqlite.Database {
    if (!this.db) throw new AppError('unavailable', 'The session node is shutting down.', { reason: 'node_stopping' })
    return this.db
  }

  private enqueue<Result>(work: () => Result): Promise<Result> {
    return new Promise((resolve, reject) => {
      this.queue.push({ work, resolve: resolve as (result: unknown) => void, reject })
    })
  }

  private schedule() {
    if (this.scheduled) return
    const { endedAt, tookMs } = this.lastCommit
    const pauseMs = endedAt + Math.min(tookMs, LONGEST_PAUSE_MS) - performance.now()
    const round = () => {
      this.scheduled = undefined
      if (this.db && this.queue.length > 0) this.commit()
      if (this.db && this.queue.length > 0) this.schedule()
    }
    if (pauseMs < 1) {
      const immediate = setImmediate(round)
      this.scheduled = () => clearImmediate(immediate)
    } else {
      const timer = setTimeout(round, pauseMs)
      this.scheduled = () => clearTimeout(timer)
    }
  }

  private commit() {
    clearTimeout(this.eventually)
    this.eventually = undefined
    const startedAt = performance.now()
    const writes = this.queue.splice(0, MAX_WRITES_PER_COMMIT)
    try {
      const results = this.together(writes)
      writes.forEach((write, index) => write.resolve(results[index]))
    } catch (error) {
      if (writes.length === 1) writes[0]?.reject(translated(error))
      else for (const write of writes) this.alone(write)
    }
    const endedAt = performance.now()
    this.lastCommit = { endedAt, tookMs: endedAt - startedAt }
    for (const listener of this.listeners) listener()
  }

  private alone(write: Write) {
    try {
      write.resolve(this.together([write])[0])
    } catch (error) {
      write.reject(translated(error))
    }
  }

  private together(writes: Write[]): unknown[] {
    const db = this.opened()
    return db.transaction(() => writes.map(({ work }) => work())).immediate()
  }

  private migrate(db: Sqlite.Database) {
    const version = db.pragma('user_version', { simple: true }) as number
    if (version > schemaSteps.length) {
      throw new AppError('conflict', `The journal in ${this.options.dataDir} was written by a newer Switchboard.`)
    }
    schemaSteps.slice(version).forEach((step, index) =>
      db.transaction(() => {
        db.exec(step)
        db.pragma(`user_version = ${version + index + 1}`)
      })(),
    )
  }

  private identify(db: Sqlite.Database) {
    const given = this.options.nodeId
    const kept = this.get<{ id: string }>('SELECT id FROM node')
    if (kept && given && kept.id !== given) {
      throw new AppError('conflict', `${this.options.dataDir} belongs to node ${kept.id}, but NODE_ID is ${given}.`)
    }
    if (kept) return
    db.transaction(() =>
      this.run('INSERT INTO node (only_row, id, epoch) VALUES (1, ?, ?)', given ?? newId('nod'), newId('epo')),
    )()
  }

  /** Of this node, once started. */
  nodeId(): NodeId {
    return this.get<{ id: NodeId }>('SELECT id FROM node')?.id as NodeId
  }
}

/** The disk's troubles in our words. */
function translated(error: unknown): unknown {
  if (!(error instanceof Sqlite.SqliteError) || !/^SQLITE_(FULL|IOERR)/.test(error.code)) return error
  return new AppError('storage_full', 'The session node cannot write to its disk.', { cause: error })
}
