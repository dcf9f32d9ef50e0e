import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { silentLog } from '../../runtime/log.js'
import { databases, emptyDatabase, openDatabase } from '../../test/databases.js'
import { tables } from '../tables.js'
import { counterTable, takeNumbers } from './counters.js'
import { isDuplicate } from './database-errors.js'
import { parseDatabaseUrl } from './database-url.js'
import { Database } from './database.js'

function gate() {
  let open!: () => void
  const opened = new Promise<void>((resolve) => (open = resolve))
  return { open, opened }
}

describe.each(databases())('Database on $name', (target) => {
  let db: Database
  const add = (name: string) => db.write((tx) => tx.insert(counterTable, { name, value: 1 }))
  const has = (name: string) => db.read((reader) => reader.existsBy(counterTable, { name }))

  beforeAll(async () => {
    db = await openDatabase(target)
  })
  afterAll(() => db.stop())

  it('keeps a committed write when an overlapping one is rolled back', async () => {
    const begun = gate()
    const mayFail = gate()
    const failing = db.write(async (tx) => {
      await tx.insert(counterTable, { name: 'rolled_back', value: 1 })
      begun.open()
      await mayFail.opened
      throw new Error('rolled back')
    })
    await begun.opened
    const transaction = db.write(async (tx) => {
      await tx.insert(counterTable, { name: 'kept_transaction', value: 1 })
    })
    const plain = add('kept_insert')
    // On SQLite these two wait for their turn; on MySQL they commit meanwhile.
    if (db.dialect === 'mysql') await Promise.all([transaction, plain])
    mayFail.open()
    await expect(failing).rejects.toThrow('rolled back')
    await Promise.all([transaction, plain])
    expect(await Promise.all(['rolled_back', 'kept_transaction', 'kept_insert'].map(has))).toEqual([false, true, true])
  })

  it('never shows a reader what is not committed', async () => {
    const written = gate()
    const mayCommit = gate()
    const writing = db.write(async (tx) => {
      await tx.insert(counterTable, { name: 'open', value: 1 })
      written.open()
      await mayCommit.opened
    })
    await written.opened
    expect(await has('open')).toBe(false)
    mayCommit.open()
    await writing
    expect(await has('open')).toBe(true)
  })

  it('lets 50 writers and their rollbacks through without losing a commit', async () => {
    const writes = Array.from({ length: 50 }, (_, i) =>
      db.write(async (tx) => {
        await tx.insert(counterTable, { name: `many_${i}`, value: i })
        if (i % 3 === 0) throw new Error('no')
      }),
    )
    const done = await Promise.allSettled(writes)
    const kept = await Promise.all(done.map((_, i) => has(`many_${i}`)))
    expect(kept).toEqual(done.map(({ status }) => status === 'fulfilled'))
  })

  it('says of a second row with the same key that it is a duplicate', async () => {
    await add('twice')
    const error = await add('twice').catch((thrown: unknown) => thrown)
    expect(isDuplicate(error)).toBe(true)
  })

  it('refuses write() inside write(), which would wait for itself', async () => {
    await expect(db.write(() => add('inner'))).rejects.toThrow('write() inside write()')
    expect(await has('inner')).toBe(false)
  })

  it('gives numbers without gaps or repeats to concurrent takers', async () => {
    const firsts = await Promise.all(
      Array.from({ length: 20 }, () => db.write((tx) => takeNumbers(tx, 'message_position', 2))),
    )
    expect(firsts.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 20 }, (_, i) => 1 + 2 * i))
  })

  it('tells names apart by case', async () => {
    await add('Case')
    expect(await has('case')).toBe(false)
  })
})

describe('Database on MariaDB', () => {
  let db: Database

  beforeAll(async () => {
    db = await openDatabase({ name: 'MariaDB' })
    for (const name of ['left', 'right']) await db.write((tx) => tx.insert(counterTable, { name, value: 0 }))
  })
  afterAll(() => db.stop())

  it('does a transaction that lost a deadlock again, whole', async () => {
    const both = [gate(), gate()] as const
    const tries = [0, 0]
    const cross = (mine: 0 | 1, first: string, second: string) =>
      db.write(async (tx) => {
        tries[mine]! += 1
        await tx.increment(counterTable, { name: first }, 'value', 1)
        both[mine].open()
        await both[mine === 0 ? 1 : 0].opened
        await tx.increment(counterTable, { name: second }, 'value', 1)
      })
    await Promise.all([cross(0, 'left', 'right'), cross(1, 'right', 'left')])
    const values = await db.read((reader) =>
      reader.find(counterTable, { where: [{ name: 'left' }, { name: 'right' }] }),
    )
    expect(values.map(({ value }) => value)).toEqual([2, 2])
    expect(tries[0]! + tries[1]!).toBe(3)
    expect(db.retries).toBe(1)
  })

  it('answers unavailable with a time when another holds a row for long, and leaves no transaction open', async () => {
    const held = gate()
    const release = gate()
    const holder = db.write(async (tx) => {
      await tx.increment(counterTable, { name: 'left' }, 'value', 1)
      held.open()
      await release.opened
    })
    await held.opened
    const waiting = db.write((tx) => tx.increment(counterTable, { name: 'left' }, 'value', 1))
    await expect(waiting).rejects.toMatchObject({
      code: 'unavailable',
      reason: 'database_busy',
      retryAfterMs: expect.any(Number) as number,
    })
    release.open()
    await holder
    // Of this database: other tests use the same server at the same time.
    const open = await db.read((reader) =>
      reader.query(
        `SELECT trx_id FROM information_schema.innodb_trx
         JOIN information_schema.processlist ON id = trx_mysql_thread_id
         WHERE db = DATABASE() AND trx_rows_locked > 0`,
      ),
    )
    expect(open).toEqual([])
  })

  it('answers unavailable when the connection is lost, and works again by itself', async () => {
    const killed = db.read(async (reader) => {
      const [{ id }] = (await reader.query('SELECT CONNECTION_ID() AS id')) as [{ id: number }]
      await db.read((other) => other.query(`KILL ${id}`))
      return reader.query('SELECT 1')
    })
    await expect(killed).rejects.toMatchObject({ code: 'unavailable', reason: 'database_unavailable' })
    await db.ping()
  })

  it('says what is wrong when the password is', async () => {
    const { url, remove } = await emptyDatabase({ name: 'MariaDB' })
    const wrong = new Database({
      target: parseDatabaseUrl(url.replace('root@', 'nobody:wrong@')),
      tables,
      log: silentLog(),
    })
    await expect(wrong.start()).rejects.toThrow(/The database cannot be used: Access denied/)
    await remove()
  })
})

describe('Database on a SQLite file', () => {
  it('refuses a second gateway with a sentence, and lets it in once the first has stopped', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'switchboard-lock-'))
    const open = () =>
      new Database({ target: { kind: 'sqlite', file: join(folder, 'a.sqlite') }, tables, log: silentLog() })
    const first = open()
    await first.start()
    const second = open()
    await expect(second.start()).rejects.toThrow(/Another gateway has .*a\.sqlite open/)
    await first.stop()
    await second.start()
    await second.stop()
    await rm(folder, { recursive: true })
  })

  it('stores what it says it stored after SQLite undid a transaction by itself, as on a full disk', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'switchboard-undone-'))
    const target = { kind: 'sqlite', file: join(folder, 'a.sqlite') } as const
    const db = new Database({ target, tables, log: silentLog() })
    await db.start()
    const add = (name: string) => db.write((tx) => tx.insert(counterTable, { name, value: 1 }))
    await add('taken')
    const undone = db.write((tx) => tx.query(`INSERT OR ROLLBACK INTO counters (name, value) VALUES ('taken', 1)`))
    await expect(undone).rejects.toThrow(/UNIQUE/)
    await expect(db.write(() => Promise.reject(new Error('failed as well')))).rejects.toThrow('failed as well')
    await add('after')
    await db.stop()
    const again = new Database({ target, tables, log: silentLog() })
    await again.start()
    const kept = await again.read((reader) => reader.existsBy(counterTable, { name: 'after' }))
    await again.stop()
    await rm(folder, { recursive: true })
    expect(kept).toBe(true)
  })
})

describe('parseDatabaseUrl', () => {
  it('knows the three kinds', () => {
    expect(parseDatabaseUrl('sqlite:/var/lib/a.sqlite')).toEqual({ kind: 'sqlite', file: '/var/lib/a.sqlite' })
    expect(parseDatabaseUrl('mysql://user:pw@host/db').kind).toBe('mysql')
    expect(parseDatabaseUrl('mariadb://user:pw@host/db').kind).toBe('mysql')
  })

  it.each(['postgres://host/db', 'mysql://host', 'nonsense', 'sqlite:'])('refuses %s', (url) => {
    expect(() => parseDatabaseUrl(url)).toThrow(/must/)
  })
})
