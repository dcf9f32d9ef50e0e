import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { EventBody, NodeEvent, NodeId, SessionId } from '../../proto/contract.js'
import type { FollowedEvent, Following, NodeClient } from '../../proto/node-client.js'
import { waMessageId } from '../../proto/wa-message-id.js'
import { newId } from '../../runtime/ids.js'
import { silentLog } from '../../runtime/log.js'
import { databases, openDatabase } from '../../test/databases.js'
import { until } from '../../test/until.js'
import type { Database } from '../db/database.js'
import { EventRepository } from '../events/event-repository.js'
import { SealedData } from '../events/sealed-data.js'
import { MediaRepository } from '../media/media-repository.js'
import type { Message } from '../messages/message.js'
import { MessageRepository } from '../messages/message-repository.js'
import { OpenMessages } from '../messages/open-messages.js'
import type { Session } from '../sessions/session.js'
import { SessionEvents } from '../sessions/session-events.js'
import { SessionRepository } from '../sessions/session-repository.js'
import { DEFAULT_TENANT } from '../tenants/tenant.js'
import { EventFollower } from './event-follower.js'
import { EventStoring } from './event-storing.js'
import { NodeCursorRepository } from './node-cursor-repository.js'
import { TakenMessages } from './taken-messages.js'

const NODE: NodeId = 'nod_a'
const CONTACT = { chatId: '49170@c.us', from: '49170@c.us', to: '49151@c.us', mentions: [], sentAt: 1_000 }

describe.each(databases())('storing what a node reports on $name', (target) => {
  let db: Database
  let cursors: NodeCursorRepository
  let events: EventRepository
  let messages: MessageRepository
  let media: MediaRepository
  let storing: EventStoring
  let storingWith: (messages: MessageRepository) => EventStoring
  let session: Session
  let position: number

  beforeEach(async () => {
    db = await openDatabase(target)
    cursors = new NodeCursorRepository(db)
    events = new EventRepository(db, { sealing: new SealedData(() => Buffer.alloc(32)) })
    messages = new RefusingX(db)
    media = new MediaRepository(db)
    const sessions = new SessionRepository(db)
    const clock = Date.now
    const log = silentLog()
    storingWith = (messages) =>
      new EventStoring({
        ...{ db, cursors, events, messages, media, clock, log },
        sessions: new SessionEvents(sessions),
        open: new OpenMessages({ db, messages, events, clock }),
      })
    storing = storingWith(messages)
    session = aSession()
    await sessions.add(session)
    position = 0
  })
  afterEach(() => db.stop())

  const event = (body: EventBody, sessionId: SessionId = session.id): NodeEvent => ({
    ...{
      id: newId('evt'),
      sessionId,
      tenantId: DEFAULT_TENANT,
      epoch: 'e1',
      position: ++position,
      at: 1_000 + position,
    },
    body,
  })
  const received = (waId: string, more: Partial<Extract<EventBody, { kind: 'message_received' }>> = {}) =>
    event({
      ...{ kind: 'message_received', waMessageId: waId, ...CONTACT, origin: 'contact' },
      ...{ content: { type: 'text', text: { body: `body of ${waId}` } } },
      ...more,
    })
  const acquire = async (holder = 'gw_a') => {
    const taken = await cursors.acquire(NODE, holder, 10_000)
    if (!taken) throw new Error('The lease is taken')
    return taken
  }
  const store = async (...followed: FollowedEvent[]) => {
    const { lease, cursor } = await acquire()
    return storing.store(lease, cursor, followed)
  }
  const listed = async () => (await messages.list(DEFAULT_TENANT, {}, { limit: 100, before: undefined })).reverse()
  const told = async () =>
    (await events.list(0, 100, { tenantId: DEFAULT_TENANT })).map(({ type, sequence }) => [sequence, type])

  it('makes rows of what came in and of what was typed on the phone, each once', async () => {
    await store(received('A'), received('A'), received('B', { origin: 'phone', from: '49151@c.us', to: '49170@c.us' }))
    await store(received('A'), received('B', { origin: 'phone' }), received('B'))
    expect((await listed()).map(({ message }) => [message.direction, message.origin, message.waMessageId])).toEqual([
      ['in', 'contact', 'A'],
      ['out', 'phone', 'B'],
      ['in', 'contact', 'B'],
    ])
    expect(await told()).toEqual([
      [1, 'message.received'],
      [2, 'message.sent'],
      [3, 'message.received'],
    ])
  })

  it('takes no lease from a gateway that has heard the node a moment ago', async () => {
    const { lease } = await acquire()
    await cursors.renew(lease, 10_000, true)
    expect(await db.write((tx) => cursors.revoke(tx, NODE, 10_000, 5_000))).toBe(false)
    expect(await cursors.renew(lease, 10_000, false)).toBe(true)
    expect(await db.write((tx) => cursors.revoke(tx, NODE, 10_000, 0))).toBe(true)
    expect(await cursors.renew(lease, 10_000, true)).toBe(false)
    expect(await db.write((tx) => cursors.revoke(tx, 'nod_never', 10_000, 5_000))).toBe(true)
  })

  it('takes as many in one transaction as a follower brings, each an answer to another', async () => {
    const ids = Array.from({ length: 500 }, (_, index) => `W${index}`)
    await store(...ids.map((id, index) => received(id, { replyTo: ids[index - 1] ?? 'away' })))
    const last = (await messages.list(DEFAULT_TENANT, {}, { limit: 2, before: undefined })).map((row) => row.message)
    expect(last.map((message) => message.waMessageId)).toEqual(['W499', 'W498'])
    expect(last[0]?.replyTo).toBe(last[1]?.id)
  })

  it('reflects edits, deletions and acks within one batch, and tells of reactions', async () => {
    const same = { waMessageId: 'A', chatId: CONTACT.chatId }
    await store(
      received('A'),
      event({ kind: 'message_edited', ...same, body: 'new words' }),
      event({ kind: 'message_reaction', ...same, from: CONTACT.from, fromPhone: '49170', emoji: '🎉' }),
      event({ kind: 'message_deleted', ...same }),
      received('P', { origin: 'phone' }),
      event({ kind: 'message_status', waMessageId: 'P', chatId: CONTACT.chatId, status: 'read' }),
    )
    const [a, p] = await listed()
    expect(a?.message).toMatchObject({ content: { text: { body: 'new words' } }, editedAt: 1_002, deletedAt: 1_004 })
    expect(p?.message).toMatchObject({ status: 'read', readAt: 1_006 })
    const [, , reaction] = await events.list(0, 100, { tenantId: DEFAULT_TENANT })
    expect(reaction?.data).toMatchObject({ messageId: a?.message.id, emoji: '🎉', from: '+49170' })
  })

  it('fails what was meant for the old number when another is linked', async () => {
    const id = newId('msg')
    const content = { type: 'text', text: { body: 'hi' } } as const
    const queued = { id, waMessageId: waMessageId(id), to: '49170@c.us', content, mentions: [], expiresInMs: 1_000 }
    const linked = (phone: string) => event({ kind: 'session_status', session: { ...aNodeSession(session), phone } })
    await store(
      linked('49151'),
      event({ kind: 'message_queued', message: { ...queued, origin: 'telegram', onUnknown: 'resend' } }),
      linked('49152'),
    )
    expect((await listed())[0]?.message).toMatchObject({ id, status: 'failed', reason: 'number_changed' })
    expect((await told()).map(([, type]) => type)).toEqual([
      'session.connected',
      'message.queued',
      'session.connected',
      'message.failed',
    ])
  })

  it('fails all that was meant for the old number some at a time, after what came before the new one', async () => {
    const linked = (phone: string) => event({ kind: 'session_status', session: { ...aNodeSession(session), phone } })
    await store(linked('49151'))
    const made = await open(450, { awaiting: true })
    const sent = made[3] as Message
    const ack = { kind: 'message_status', messageId: sent.id, waMessageId: sent.waMessageId, status: 'sent' } as const
    const { lease, cursor } = await acquire()
    const id = newId('msg')
    const meantForIt = { id, waMessageId: waMessageId(id), to: '49170@c.us', mentions: [], expiresInMs: 1_000 }
    const content = { type: 'text', text: { body: 'hi' } } as const
    const queued = { ...meantForIt, content, origin: 'telegram', onUnknown: 'resend' } as const
    let most = 0
    const portions = Object.create(messages, {
      change: {
        value: async (...[tx, changes]: Parameters<MessageRepository['change']>) => {
          most = Math.max(most, changes.length)
          await messages.change(tx, changes)
        },
      },
    }) as MessageRepository
    const batch = [
      event({ ...ack, chatId: sent.chatId }),
      linked('49152'),
      event({ kind: 'message_queued', message: queued }),
      linked('49152'),
    ]
    const stored = await storingWith(portions).store(lease, cursor, batch)
    const rows = (await messages.list(DEFAULT_TENANT, {}, { limit: 500, before: undefined })).map((row) => row.message)
    expect(rows.filter(({ status, reason }) => status === 'failed' && reason === 'number_changed')).toHaveLength(449)
    expect(rows.find((row) => row.id === sent.id)).toMatchObject({ status: 'sent' })
    expect(stored.events.filter(({ type }) => type === 'message.failed')).toHaveLength(449)
    expect(new Set(stored.messages.map((message) => message.id)).size).toBe(451)
    expect(rows.find((row) => row.id === id)).toMatchObject({ status: 'pending' })
    expect(most).toBe(200)
    expect((await acquire()).cursor).toEqual({ epoch: 'e1', position })
  })

  const open = async (count: number, what: Partial<Message>) => {
    const made = Array.from({ length: count }, () => aMessage(session, what))
    await db.write((tx) => messages.add(tx, made))
    return made
  }

  it('stores with the events of a message that the node has it, and by itself what no event tells of', async () => {
    const [told, quiet] = (await open(2, { awaiting: true, offered: true })) as [Message, Message]
    const taken = new TakenMessages()
    taken.add([told, quiet])
    const { lease, cursor } = await acquire()
    const sent = { kind: 'message_status', messageId: told.id, waMessageId: told.waMessageId, status: 'sent' } as const
    await storing.store(lease, cursor, [event({ ...sent, chatId: told.chatId })], taken)
    const now = async ({ id }: Message) => {
      const { awaiting, epoch, status } = (await messages.find(DEFAULT_TENANT, id)) as Message
      return { awaiting, epoch, status }
    }
    expect(await now(told)).toEqual({ awaiting: false, epoch: 'e1', status: 'sent' })
    expect([...taken.snapshot().keys()]).toEqual([quiet.id])
    // The log has begun anew: what was answered before says nothing about what is in it.
    await expect(storing.noteTaken(lease, { epoch: 'e0', position: 1 }, taken)).rejects.toMatchObject({
      reason: 'lease_lost',
    })
    expect(await now(quiet)).toMatchObject({ awaiting: true })
    await storing.noteTaken(lease, { epoch: 'e1', position: 1 }, taken)
    expect(await now(quiet)).toEqual({ awaiting: false, epoch: 'e1', status: 'pending' })
    expect(taken.leftMs()).toBeUndefined()
  })

  it('doubts what was in a log that begins anew some at a time, and goes on where it was interrupted', async () => {
    const { lease, cursor } = await acquire()
    await open(250, { awaiting: false, epoch: 'e0' })
    const [offered, waiting, held] = [
      ...(await open(1, { awaiting: true, offered: true })),
      ...(await open(1, { awaiting: true, offered: false })),
      ...(await open(1, { awaiting: false, epoch: 'e0', status: 'unknown', reason: 'held' })),
    ].map(({ id }) => id)
    const to = { epoch: 'e1', position: 0 }
    const sizes: number[] = []
    const interrupted = storing.beginEpoch(lease, cursor, to, ({ events: stored }) => {
      sizes.push(stored.length)
      throw new Error('interrupted')
    })
    await expect(interrupted).rejects.toThrow('interrupted')
    expect((await acquire()).cursor).toEqual(cursor)
    const again = await acquire()
    await storing.beginEpoch(again.lease, cursor, to, ({ events: stored }) => void sizes.push(stored.length))
    expect(sizes).toEqual([200, 51])
    expect((await acquire()).cursor).toEqual(to)
    const rows = (await messages.list(DEFAULT_TENANT, {}, { limit: 500, before: undefined })).map(
      ({ message }) => message,
    )
    const doubted = rows.filter(({ reason, awaiting }) => reason === 'outcome_unknown' && awaiting)
    expect(doubted).toHaveLength(251)
    expect(doubted.map(({ id }) => id)).toContain(offered)
    expect(rows.find(({ id }) => id === waiting)).toMatchObject({ status: 'pending', awaiting: true })
    expect(rows.find(({ id }) => id === held)).toMatchObject({ reason: 'held', awaiting: false })
  })

  it('fails nothing because a node where the session was before linked it to another number', async () => {
    const linked = (phone: string) => event({ kind: 'session_status', session: { ...aNodeSession(session), phone } })
    await store(linked('49151'))
    const [waiting] = (await open(1, { awaiting: true })) as [Message]
    await db.write((tx) => new SessionRepository(db).update(tx, session.id, { nodeId: 'nod_elsewhere' }))
    await store(linked('49152'))
    expect(await messages.find(DEFAULT_TENANT, waiting.id)).toMatchObject({ status: 'pending' })
  })

  it('passes over events of sessions that are not on this node', async () => {
    const { events: stored } = await store(
      event({ kind: 'message_deleted', waMessageId: 'x', chatId: 'y' }, newId('ses')),
    )
    expect(stored).toEqual([])
    expect((await acquire()).cursor).toEqual({ epoch: 'e1', position: 1 })
  })

  it('stores nothing for a gateway that another has taken over from', async () => {
    const { lease, cursor } = await acquire()
    await db.write((tx) => tx.query('UPDATE node_cursors SET lease_until = 1'))
    const newer = await acquire('gw_b')
    expect(newer.lease.fence).toBe(lease.fence + 1)
    await expect(storing.store(lease, cursor, [received('A')])).rejects.toMatchObject({ reason: 'lease_lost' })
    expect(await cursors.renew(lease, 10_000, true)).toBe(false)
    expect(await listed()).toEqual([])
    expect(await cursors.renew(newer.lease, 10_000, true)).toBe(true)
  })

  it('passes an event that cannot be stored after five tries, and says so in its place', async () => {
    const all = [received('A'), received('X'), received('B')]
    const failures = new Map<string, number>()
    for (let tries = 1; tries <= 5; tries++) {
      const { lease, cursor } = await acquire()
      const client = replaying(all.filter(({ position }) => position > cursor.position))
      const stopping = new AbortController()
      const follower = new EventFollower({
        ...{ storing, lease, cursor, failures, log: silentLog(), taken: new TakenMessages() },
        onLive: () => undefined,
        onQuestion: () => undefined,
        onStored: ({ events: stored }) => stored.at(-1)?.source?.position === 3 && stopping.abort(),
      })
      const ran = follower.run(client, stopping.signal)
      if (tries < 5) await expect(ran).rejects.toThrow()
      else await ran
    }
    const types = (await told()).map(([, type]) => type)
    expect(types).toEqual(['message.received', 'event.unreadable', 'message.received'])
    await until('nothing is remembered of it', () => failures.size === 0)
  })

  it('keeps an event that nobody can read as what it is', async () => {
    const { body: _, ...rest } = received('A')
    await store({ ...rest, unreadable: 'a newer kind' }, received('B'))
    expect((await told()).map(([, type]) => type)).toEqual(['event.unreadable', 'message.received'])
  })
})

describe('following a node', () => {
  it('reads no more ahead than it stores in two seconds: whether the node may send is asked behind that', async () => {
    const all = Array.from({ length: 3_000 }, (_, index) => ({ position: index + 1 }) as FollowedEvent)
    let read = 0
    let ahead = 0
    // A slow database: two hundred events a second.
    const slow = {
      beginEpoch: async () => undefined,
      store: async (_lease: unknown, _from: unknown, given: readonly FollowedEvent[]) => {
        await new Promise((resolve) => setTimeout(resolve, given.length * 5))
        ahead = Math.max(ahead, read - (given.at(-1)?.position ?? 0))
        return { messages: [], events: [], hasFiles: false, sessionIds: [] }
      },
    } as unknown as EventStoring
    const stopping = new AbortController()
    const follower = new EventFollower({
      ...{ storing: slow, failures: new Map(), log: silentLog(), taken: new TakenMessages() },
      ...{ lease: { nodeId: NODE, holder: 'gw_a', fence: 1 }, cursor: { epoch: 'e1', position: 0 } },
      ...{ onLive: () => undefined, onQuestion: () => undefined, onStored: () => undefined },
    })
    async function* inPieces() {
      for (let at = 0; at < all.length && !stopping.signal.aborted; at += 20) {
        read = at + 20
        yield all.slice(at, at + 20)
      }
    }
    const ran = follower.run(replaying(inPieces()), stopping.signal)
    await until('it has stored some', () => ahead > 0)
    stopping.abort()
    await ran
    expect(ahead).toBeLessThan(700)
  })
})

/** Fails as a database does on what it cannot hold. */
class RefusingX extends MessageRepository {
  override async add(...[tx, added]: Parameters<MessageRepository['add']>): Promise<void> {
    await super.add(tx, added)
    if (added.some(({ waMessageId }) => waMessageId === 'X')) throw new Error('X does not fit')
  }
}

/** A node whose log holds these, and then nothing happens. */
function replaying(followed: FollowedEvent[] | AsyncIterable<FollowedEvent[]>): NodeClient {
  const follow = (): Following => {
    let end = () => {}
    const ended = new Promise<void>((resolve) => (end = resolve))
    async function* items() {
      yield { kind: 'started' as const, cursor: { epoch: 'e1', position: 0 } }
      if (Array.isArray(followed)) yield { kind: 'batch' as const, events: followed }
      else for await (const events of followed) yield { kind: 'batch' as const, events }
      await ended
    }
    return { items: items(), acknowledge: () => undefined, permit: () => undefined, end }
  }
  return { follow } as unknown as NodeClient
}

function aSession(): Session {
  return {
    ...{ id: newId('ses'), tenantId: DEFAULT_TENANT, name: 'a', liveName: 'a', engine: 'sandbox', nodeId: NODE },
    ...{ wanted: 'running', status: 'connected', reason: null, detail: null, phone: null, lid: null, pushName: null },
    ...{ pacing: { gapMs: 0, jitterMs: 0, messagesPerDay: 0 }, sandbox: null, metadata: null },
    ...{ changedAt: new Date(1_000), connectedAt: null, createdAt: new Date(1_000), deletedAt: null },
  }
}

function aMessage({ id: sessionId }: Session, what: Partial<Message>): Message {
  const id = newId('msg')
  return {
    ...{ id, tenantId: DEFAULT_TENANT, sessionId, direction: 'out', origin: 'api', chatId: '49170@c.us' },
    ...{ content: { type: 'text', text: { body: 'hi' } }, mentions: [], onUnknown: 'resend', status: 'pending' },
    ...{ waMessageId: waMessageId(id), awaiting: true, offered: true, createdAt: 1_000 },
    ...what,
  }
}

function aNodeSession({ id, tenantId, name, engine, pacing }: Session) {
  return { id, tenantId, name, engine, pacing, status: 'connected' as const, changedAt: 2_000, waiting: 0 }
}
