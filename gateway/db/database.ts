import { AsyncLocalStorage } from 'node:async_hooks'
import type { DataSource, EntityManager, QueryRunner } from 'typeorm'
import type { Dialect } from '../../migrations/columns.js'
import { sleep } from '../../runtime/clock.js'
import type { Service } from '../../runtime/lifecycle.js'
import type { Logger } from '../../runtime/log.js'
import { isConnectionLost, isLockWait, isTransient, translateDatabaseError, unavailable } from './database-errors.js'
import type { DatabaseTarget } from './database-url.js'
import { migrate } from './migrate.js'
import { openMysql } from './mysql.js'
import { Permits } from './permits.js'
import { endTransaction, lockSqlite, openSqlite } from './sqlite.js'
import type { Table } from './table.js'

export interface DatabaseOptions {
  target: DatabaseTarget
  // A list of tables of different rows; what each holds is known where it is used.
  // eslint-disable-next-line @typescript-eslint/no-explicit-any
  tables: readonly Table<any>[]
  log: Logger
  poolSize?: number
  /** How long start waits for a server that does not answer yet. */
  startWaitMs?: number
  /** Throws on write() inside write(), which waits for itself. For tests: it makes every promise of the process dearer. */
  findsNesting?: boolean
  /** Called for each transaction that is done again, for the metrics. */
  onRetry?: () => void
}

/** An open transaction, as services pass it on to repositories. */
export type Tx = EntityManager

const TRIES = 3
/** Each takes a second: whoever asks is told within three, not after them. */
const LOCK_WAITS = 2
const READ_MS = 5_000
const WRITE_MS = 10_000
const TURN_MS = 2_000

/** The only door to the database. What goes wrong comes out as an AppError, except a duplicate (`isDuplicate`). */
export class Database implements Service {
  readonly dialect: Dialect
  /** Transactions done again since start. */
  retries = 0
  private writer: DataSource | undefined
  private reader: DataSource | undefined
  private lock: { release(): void } | undefined
  private lastWrite: Promise<unknown> = Promise.resolve()
  private readonly permits: Permits
  private readonly committing = new WeakMap<EntityManager, (() => void)[]>()
  private readonly inside: AsyncLocalStorage<{ open: boolean }> | undefined

  constructor(private readonly options: DatabaseOptions) {
    this.dialect = options.target.kind
    this.permits = new Permits(this.poolSize, TURN_MS)
    if (options.findsNesting) this.inside = new AsyncLocalStorage()
  }

  private get poolSize(): number {
    return this.options.poolSize ?? 15
  }

  async start(): Promise<void> {
    const { target, tables, log } = this.options
    const entities = tables.map((table) => table.forDialect(this.dialect))
    try {
      if (target.kind === 'sqlite') {
        this.lock = lockSqlite(target.file)
        const { writer, reader } = await openSqlite(target.file, entities)
        this.writer = writer
        this.reader = reader
      } else {
        // One more than the permits: migrations hold a connection for their lock.
        this.writer = await this.patiently(() => openMysql(target.url, entities, this.poolSize + 1))
      }
      await migrate(this.writer, log)
      log.info({ type: this.writer.options.type }, 'database.ready')
    } catch (error) {
      await this.stop()
      throw error
    }
  }

  async stop(): Promise<void> {
    // Whoever asked for it hears how it went; here it only has to be over.
    await this.lastWrite.catch(() => undefined)
    const { writer, reader, lock } = this
    this.writer = this.reader = this.lock = undefined
    for (const source of [reader, writer]) {
      await source?.destroy().catch((err: unknown) => this.options.log.warn({ err }, 'database.close_failed'))
    }
    lock?.release()
  }

  /** Reads what is committed. Never awaits anything but the database. */
  async read<Result>(work: (reader: EntityManager) => Promise<Result>): Promise<Result> {
    try {
      if (this.dialect === 'mysql') return await this.onConnection(READ_MS, (runner) => work(runner.manager))
      return await work(this.opened(this.reader).manager)
    } catch (error) {
      throw translateDatabaseError(error)
    }
  }

  /**
   * One transaction, and the only way to write. On SQLite writes take turns: TypeORM's single connection would make two
   * that overlap into one, and the rollback of either would undo both. On MySQL a deadlock or a lock that was waited for
   * too long does the whole work again, so `work` must change nothing but the database, and await nothing but it.
   */
  async write<Result>(work: (tx: EntityManager) => Promise<Result>): Promise<Result> {
    if (this.inside?.getStore()?.open) throw new Error('write() inside write(): pass `tx` on instead')
    const scope = { open: true }
    let committed: (() => void)[] = []
    const guarded = (tx: EntityManager) => {
      // What an earlier try would have told did not happen.
      committed = []
      this.committing.set(tx, committed)
      return this.inside ? this.inside.run(scope, () => work(tx)) : work(tx)
    }
    try {
      const result = await (this.dialect === 'sqlite' ? this.inTurn(guarded) : this.retried(guarded))
      scope.open = false
      for (const tell of committed) tell()
      return result
    } catch (error) {
      throw translateDatabaseError(error)
    } finally {
      scope.open = false
    }
  }

  /** Inside `write`: what to do once its transaction is committed. It must not throw. */
  afterCommit(tx: EntityManager, tell: () => void): void {
    const committed = this.committing.get(tx)
    if (!committed) throw new Error('afterCommit() belongs inside write()')
    committed.push(tell)
  }

  /** Throws unless the database answers soon. */
  async ping(): Promise<void> {
    await this.read((reader) => reader.query('SELECT 1'))
  }

  /** What the tables would need to become what the table files say: nothing, after the migrations. For tests. */
  async drift(): Promise<string[]> {
    const { upQueries } = await this.opened(this.writer).driver.createSchemaBuilder().log()
    return upQueries.map(({ query }) => query)
  }

  /** The connection that migrations run on. For tests of the migrations. */
  source(): DataSource {
    return this.opened(this.writer)
  }

  private opened(source: DataSource | undefined): DataSource {
    if (!source) throw unavailable(new Error('the database is not open'))
    return source
  }

  private inTurn<Result>(work: (tx: EntityManager) => Promise<Result>): Promise<Result> {
    const result = this.lastWrite.then(async () => {
      const overdue = setTimeout(
        () => this.options.log.error({ afterMs: WRITE_MS }, 'database.write_overdue'),
        WRITE_MS,
      )
      const writer = this.opened(this.writer)
      try {
        return await writer.transaction(work)
      } catch (error) {
        endTransaction(writer)
        throw error
      } finally {
        clearTimeout(overdue)
      }
    })
    // Told to its caller; the next one begins either way.
    this.lastWrite = result.catch(() => undefined)
    return result
  }

  private async retried<Result>(work: (tx: EntityManager) => Promise<Result>): Promise<Result> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.onConnection(WRITE_MS, (runner) => runner.manager.transaction(work))
      } catch (error) {
        if (!isTransient(error) || attempt === (isLockWait(error) ? LOCK_WAITS : TRIES)) throw error
        this.retries += 1
        this.options.onRetry?.()
        await sleep(attempt * (5 + Math.random() * 20))
      }
    }
  }

  /** A connection that does not answer in time is thrown away, so that neither it nor the caller hangs. */
  private onConnection<Result>(limitMs: number, work: (runner: QueryRunner) => Promise<Result>): Promise<Result> {
    return this.permits.run(async () => {
      const runner = this.opened(this.writer).createQueryRunner()
      let timer: NodeJS.Timeout | undefined
      const late = new Promise<never>((_, reject) => {
        timer = setTimeout(() => {
          reject(unavailable(new Error(`no answer within ${limitMs} ms`)))
          void runner.connect().then(
            (connection: { destroy(): void }) => connection.destroy(),
            () => undefined,
          )
        }, limitMs)
      })
      try {
        return await Promise.race([work(runner), late])
      } finally {
        clearTimeout(timer)
        await runner.release()
      }
    })
  }

  /** In a compose file the server comes up at the same time; a wrong password is told at once. */
  private async patiently(open: () => Promise<DataSource>): Promise<DataSource> {
    const until = performance.now() + (this.options.startWaitMs ?? 30_000)
    for (;;) {
      try {
        return await open()
      } catch (err) {
        if (!isConnectionLost(err) || isRefused(err) || performance.now() > until) {
          throw new Error(
            `The database cannot be used: ${err instanceof Error ? err.message || String(err) : String(err)}`,
            { cause: err },
          )
        }
        this.options.log.warn({ err }, 'database.waiting')
        await sleep(1_000)
      }
    }
  }
}

/** A server that answers "no" is fatal to the connection too, and waiting helps nothing. */
function isRefused(error: unknown): boolean {
  const code = error instanceof Error && 'code' in error ? String(error.code) : ''
  return [
    'ER_ACCESS_DENIED_ERROR',
    'ER_DBACCESS_DENIED_ERROR',
    'ER_BAD_DB_ERROR',
    'ER_NOT_SUPPORTED_AUTH_MODE',
  ].includes(code)
}
