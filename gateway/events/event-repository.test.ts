import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { SessionId } from '../../proto/contract.js'
import { waMessageId } from '../../proto/wa-message-id.js'
import { newId } from '../../runtime/ids.js'
import { databases, openDatabase } from '../../test/databases.js'
import type { Database, Tx } from '../db/database.js'
import type { Message } from '../messages/message.js'
import { MessageRepository } from '../messages/message-repository.js'
import { defaultPacing, type Session } from '../sessions/session.js'
import { sessionTold } from '../sessions/session-events.js'
import { SessionRepository } from '../sessions/session-repository.js'
import { DEFAULT_TENANT } from '../tenants/tenant.js'
import type { NewEvent } from './event.js'
import { ALL_TENANTS, type EventFilter, EventRepository } from './event-repository.js'
import { SealedData } from './sealed-data.js'

describe.each(databases())('EventRepository on $name', (target) => {
  let db: Database
  let events: EventRepository
  beforeEach(async () => {
    db = await openDatabase(target)
    events = new EventRepository(db, { sealing: new SealedData(() => Buffer.alloc(32)) })
  })
  afterEach(() => db.stop())

  it('numbers the events of each session from 1, without gaps among concurrent writers', async () => {
    const sessions = await Promise.all(['a', 'b', 'c'].map((name) => made(db, events, name)))
    const write = (ids: readonly SessionId[]) => db.write((tx) => events.add(tx, ids.map(connected), 0))
    const [a, b, c] = sessions as [SessionId, SessionId, SessionId]
    await Promise.all(
      Array.from({ length: 10 }, (_, turn) => write(turn % 2 === 0 ? [a, b, a, c] : [c, b, a, newId('ses')])),
    )
    const stored = await events.list(0, 100, { tenantId: ALL_TENANTS })
    for (const [id, count] of [
      [a, 16],
      [b, 11],
      [c, 11],
    ] as const) {
      const numbers = stored.flatMap(({ sessionId, sequence }) => (sessionId === id ? [sequence] : []))
      expect(numbers).toEqual(Array.from({ length: count }, (_, index) => index + 1))
    }
    expect(stored.filter(({ sequence }) => sequence === undefined)).toHaveLength(5)
  })

  it('finds what is rare, however far apart it stands', async () => {
    const id = await made(db, events, 'a')
    const stored = (await events.list(0, 10, { tenantId: ALL_TENANTS })).map(({ place }) => place)
    for (const gap of [4_999, 12_345, 60_000]) {
      await db.write(async (tx) => {
        await tx.query("UPDATE counters SET value = value + ? WHERE name = 'event_place'", [gap])
        stored.push(...(await events.add(tx, [connected(id)], 0)).map(({ place }) => place))
      })
    }
    const places = async (after: number, limit: number, filter: Partial<EventFilter>) =>
      (await events.list(after, limit, { tenantId: DEFAULT_TENANT, ...filter })).map(({ place }) => place)
    const rare = { types: ['session.connected'] }
    expect(await places(0, 10, rare)).toEqual(stored)
    expect(await places(stored[0] ?? 0, 2, { sessionIds: [id] })).toEqual(stored.slice(1, 3))
    expect(await places(stored[3] ?? 0, 10, rare)).toEqual([])
    expect(await places(0, 10, { ...rare, sessionIds: [newId('ses')] })).toEqual([])
  })
})

describe('EventRepository on a database with many writers', () => {
  it('keeps nobody from storing messages of a session while its events are being stored', async () => {
    const db = await openDatabase({ name: 'MariaDB' })
    const events = new EventRepository(db, { sealing: new SealedData(() => Buffer.alloc(32)) })
    const id = await made(db, events, 'a')
    let end = () => {}
    const ended = new Promise<void>((resolve) => (end = resolve))
    let storing: Promise<void> = Promise.resolve()
    await new Promise<void>((added) => {
      storing = db.write(async (tx) => {
        await events.add(tx, [connected(id)], 0)
        added()
        await ended
      })
    })
    const message = aMessage(id)
    const messages = new MessageRepository(db)
    await db.write((tx) => messages.add(tx, [message]))
    end()
    await storing
    expect(await messages.find(DEFAULT_TENANT, message.id)).toMatchObject({ id: message.id })
    await db.stop()
  })
})

/** A session as the gateway makes it: with its first event. */
async function made(db: Database, events: EventRepository, name: string): Promise<SessionId> {
  const now = new Date(1_000)
  const id = newId('ses')
  const session: Session = {
    ...{ id, tenantId: DEFAULT_TENANT, name, liveName: name, engine: 'sandbox', nodeId: 'nod_a', wanted: 'running' },
    ...{ status: 'created', reason: null, detail: null, phone: null, lid: null, pushName: null },
    ...{ pacing: defaultPacing('sandbox'), sandbox: null, metadata: null },
    ...{ changedAt: now, connectedAt: null, createdAt: now, deletedAt: null },
  }
  await new SessionRepository(db).add(session, undefined, async (tx: Tx) => {
    await events.add(tx, [connected(id)], 0)
  })
  return id
}

function connected(sessionId: SessionId): NewEvent {
  const told = sessionTold({ status: 'connected' })
  return { id: newId('evt'), tenantId: DEFAULT_TENANT, sessionId, at: 1_000, ...told }
}

function aMessage(sessionId: SessionId): Message {
  const id = newId('msg')
  return {
    ...{ id, tenantId: DEFAULT_TENANT, sessionId, direction: 'out', origin: 'api', chatId: '4915112345678@c.us' },
    ...{ content: { type: 'text', text: { body: 'hi' } }, mentions: [], onUnknown: 'resend', status: 'pending' },
    ...{ waMessageId: waMessageId(id), awaiting: true, offered: false, createdAt: 1_000 },
  }
}
