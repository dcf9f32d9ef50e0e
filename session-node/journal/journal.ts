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
  /** Stays until it is written. */
  lasting: boolean
  /** The disk is full. */
  full: (error: unknown) => void
  resolve: (result: unknown) => void
  reject: (error: unknown) => void
}

const MAX_WRITES_PER_COMMIT = 1_000
/** Between two commits passes as long as the last one took, but not more: on a slow disk more writes share each. */
const LONGEST_PAUSE_MS = 5
/** What need not be on the disk at once gets there this soon. */
const EVENTUALLY_MS = 50
/** How soon a full disk is tried again. */
const FULL_MS = 250

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
  private restMs = 0
  private stopping = false

  constructor(private readonly options: JournalOptions) {}

  async start(): Promise<void> {
    const { dataDir } = this.options
    this.stopping = false
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
    this.stopping = true
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

  /**
   * For what has happened already, whatever the disk says of it: while it is full this is tried again, in its order, until
   * it is written. Resolves then; with `patient: false` it throws `storage_full` at once, and is written later all the same.
   */
  record<Result>(work: () => Result, { patient = true } = {}): Promise<Result> {
    this.schedule()
    return this.enqueue(work, { lasting: true, patient })
  }

  /** For what a crash may undo: it rides on the next commit of others, or makes one of its own a little later. */
  writeEventually<Result>(work: () => Result): Promise<Result> {
    this.eventually ??= setTimeout(() => this.schedule(), EVENTUALLY_MS)
    return this.enqueue(work, { lasting: true, patient: true })
  }

  /** Runs after each commit. Returns the way to stop listening. */
  onCommit(listener: () => void): () => void {
    this.listeners.add(listener)
    return () => this.listeners.delete(listener)
  }

  all<Found = Row>(sql: string, ...values: Value[]): Found[] {
    return this.statement(sql).all(...values) as Found[]
  }

  /** One by one, for who does not want all. Nothing else may be asked before the end. */
  each<Found = Row>(sql: string, ...values: Value[]): IterableIterator<Found> {
    return this.statement(sql).iterate(...values) as IterableIterator<Found>
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

  private enqueue<Result>(work: () => Result, { lasting = false, patient = false } = {}): Promise<Result> {
    return new Promise((resolve, reject) => {
      const full = patient && lasting ? () => undefined : reject
      this.queue.push({ work, lasting, full, resolve: resolve as (result: unknown) => void, reject })
    })
  }

  private schedule() {
    if (this.scheduled) return
    const { endedAt, tookMs } = this.lastCommit
    const pauseMs = endedAt + Math.max(this.restMs, Math.min(tookMs, LONGEST_PAUSE_MS)) - performance.now()
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
    this.restMs = 0
    try {
      const results = this.together(writes)
      writes.forEach((write, index) => write.resolve(results[index]))
    } catch (error) {
      if (isFull(error)) this.putOff(writes, translated(error))
      else if (writes.length === 1) writes[0]?.reject(error)
      else this.oneByOne(writes)
    }
    const endedAt = performance.now()
    this.lastCommit = { endedAt, tookMs: endedAt - startedAt }
    for (const listener of this.listeners) listener()
  }

  /** The disk is full: what may fail does, the rest is written as soon as there is room, in its order. */
  private putOff(writes: Write[], error: unknown) {
    for (const write of writes) (write.lasting && !this.stopping ? write.full : write.reject)(error)
    if (this.stopping) return
    this.queue.unshift(...writes.filter(({ lasting }) => lasting))
    this.restMs = FULL_MS
  }

  private oneByOne(writes: Write[]) {
    for (const [index, write] of writes.entries()) {
      try {
        write.resolve(this.together([write])[0])
      } catch (error) {
        if (isFull(error)) return this.putOff(writes.slice(index), translated(error))
        write.reject(error)
      }
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

function isFull(error: unknown): boolean {
  return error instanceof Sqlite.SqliteError && /^SQLITE_(FULL|IOERR)/.test(error.code)
}

/** The disk's troubles in our words. */
function translated(cause: unknown): AppError {
  return new AppError('storage_full', 'The session node cannot write to its disk.', { cause, retryAfterMs: 30_000 })
}
