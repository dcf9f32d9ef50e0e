import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { newId } from '../../runtime/ids.js'
import { databases, openDatabase } from '../../test/databases.js'
import { idempotencyKeyTable } from '../idempotency/idempotency-key-table.js'
import { type MediaRow, mediaTable } from '../media/media-table.js'
import { type MessageRow, messageTable } from '../messages/message-table.js'
import { sessionTable } from '../sessions/session-table.js'
import { DEFAULT_TENANT } from '../tenants/tenant.js'
import type { Database } from './database.js'
import { change, insertRows, selectRows, updateRows } from './rows.js'

const at = (ms: number) => new Date(Date.UTC(2026, 0, 2, 3, 4, 5, ms))

function aFile(): MediaRow {
  return {
    id: newId('med'),
    tenantId: DEFAULT_TENANT,
    sessionId: null,
    direction: 'in',
    status: 'pending',
    reason: null,
    sha256: 'a'.repeat(64),
    size: 2 ** 40,
    mimetype: 'image/png',
    filename: 'Größe 🐈.png',
    file: null,
    nodeId: null,
    createdAt: at(7),
    expiresAt: null,
  }
}

describe.each(databases())('rows on $name', (target) => {
  let db: Database
  beforeAll(async () => {
    db = await openDatabase(target)
  })
  afterAll(() => db.stop())
  const all = <Row extends object>(table: typeof mediaTable, ids: string[]) =>
    db.read((reader) =>
      selectRows(reader, table, `WHERE id IN (${ids.map(() => '?').join(', ')}) ORDER BY id`, ids),
    ) as unknown as Promise<Row[]>

  it('go in and out by the thousand as TypeORM would write and read them', async () => {
    // More values than SQLite binds in one statement.
    const rows = Array.from({ length: 3_000 }, aFile)
    await db.write((tx) => insertRows(tx, mediaTable, rows))
    const ids = rows.slice(0, 500).map(({ id }) => id)
    expect(await all(mediaTable, ids)).toEqual(rows.slice(0, 500))
    expect(await db.read((reader) => reader.findOneBy(mediaTable, { id: ids[0] as MediaRow['id'] }))).toEqual(rows[0])
  })

  it('go in together when they are more than a server takes in one statement', async () => {
    const key = { tenantId: DEFAULT_TENANT, fingerprint: '', holder: null, leaseUntil: null, made: null, expiresAt: 1 }
    const rows = Array.from({ length: 20 }, () => ({ ...key, id: newId('key'), answer: '€'.repeat(300_000) }))
    await db.write((tx) => insertRows(tx, idempotencyKeyTable, rows))
    const kept = await db.read((reader) => selectRows(reader, idempotencyKeyTable, 'ORDER BY id DESC LIMIT 1', []))
    expect(kept).toEqual([rows.toSorted((a, b) => (a.id < b.id ? 1 : -1))[0]])
  })

  it('change each in its own way, and only the fields that are named', async () => {
    const rows = [aFile(), aFile(), aFile()] as const
    await db.write((tx) => insertRows(tx, mediaTable, rows))
    const changed = rows.map((row, index): MediaRow => ({
      ...row,
      status: index === 1 ? 'missing' : 'stored',
      file: index === 1 ? null : row.id,
      expiresAt: at(index),
    }))
    await db.write((tx) => updateRows(tx, mediaTable, 'id', ['status', 'file', 'expiresAt'], changed))
    const ids = rows.map(({ id }) => id)
    expect(await all(mediaTable, ids)).toEqual(changed)
    const values = ['gone', ...ids.slice(0, 2)]
    const found = await db.write((tx) => change(tx, 'UPDATE media SET reason = ? WHERE id IN (?, ?)', values))
    expect(found).toBe(2)
    // Rows that were the same already count as well: a compare-and-set must see them.
    expect(await db.write((tx) => change(tx, 'UPDATE media SET reason = ? WHERE id IN (?, ?)', values))).toBe(2)
  })

  it('keep true and false apart', async () => {
    const session = {
      ...{ id: newId('ses'), tenantId: DEFAULT_TENANT, name: 'a', liveName: 'a', engine: 'sandbox', nodeId: 'nod_a' },
      ...{ wanted: 'running', status: 'connected', reason: null, detail: null, phone: null, lid: null, pushName: null },
      ...{ pacing: { gapMs: 0, jitterMs: 0, messagesPerDay: 0 }, sandbox: null, metadata: null },
      ...{ changedAt: at(0), connectedAt: null, createdAt: at(0), deletedAt: null },
    }
    const message = (offered: boolean): MessageRow => ({
      ...{ id: newId('msg'), tenantId: DEFAULT_TENANT, sessionId: session.id, direction: 'out', origin: 'api' },
      ...{ chatId: '1@c.us', fromId: null, fromPhone: null, fromLid: null, fromName: null, toId: null },
      ...{ type: 'text', content: { type: 'text', text: { body: '"12" \\ 🧑🏽‍🚀' } }, mentions: null, replyTo: null },
      ...{ replyToWaId: null, reference: null, status: 'pending', reason: null, error: null, waMessageId: newId('wa') },
      ...{
        position: 2 ** 50,
        onUnknown: 'resend',
        awaiting: session.id,
        offered,
      },
      ...{
        traceId: null,
        epoch: null,
        handedOverAt: null,
        sentAt: at(999),
        deliveredAt: null,
        readAt: null,
        playedAt: null,
      },
      ...{ editedAt: null, deletedAt: null, expiresAt: null, createdAt: at(1) },
    })
    const rows = [message(true), message(false)]
    await db.write(async (tx) => {
      await tx.insert(sessionTable, session as never)
      await insertRows(tx, messageTable, rows)
    })
    const read = await db.read((reader) => selectRows(reader, messageTable, 'ORDER BY id', []))
    expect(read).toEqual(rows)
  })
})
