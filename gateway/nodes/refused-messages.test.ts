import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { NodeClient } from '../../proto/node-client.js'
import type { OutgoingMessageInput } from '../../proto/generated/switchboard/v1/OutgoingMessage.js'
import { waMessageId } from '../../proto/wa-message-id.js'
import { AppError } from '../../runtime/app-error.js'
import { newId } from '../../runtime/ids.js'
import { silentLog } from '../../runtime/log.js'
import { databases, openDatabase } from '../../test/databases.js'
import type { Database } from '../db/database.js'
import { EventRepository } from '../events/event-repository.js'
import { SealedData } from '../events/sealed-data.js'
import type { Message } from '../messages/message.js'
import { MessageNews } from '../messages/message-news.js'
import { MessageRepository } from '../messages/message-repository.js'
import type { Session } from '../sessions/session.js'
import { SessionRepository } from '../sessions/session-repository.js'
import { DEFAULT_TENANT } from '../tenants/tenant.js'
import { FreshMessages } from './fresh-messages.js'
import { HandOverRound } from './hand-over-round.js'
import { TakenMessages } from './taken-messages.js'
import { UnsentMessages } from './unsent-messages.js'

describe.each(databases())('a message that its node refuses for what it is, on $name', (target) => {
  let db: Database
  let messages: MessageRepository
  let session: Session
  beforeAll(async () => {
    db = await openDatabase(target)
    messages = new MessageRepository(db)
  })
  beforeEach(async () => {
    session = aSession()
    await new SessionRepository(db).add(session)
  })
  afterAll(() => db.stop())

  /** Answers what the node has now. */
  const handOver = async (call: NodeClient['call']) => {
    const clock = Date.now
    const taken = new TakenMessages()
    const events = new EventRepository(db, { sealing: new SealedData(() => Buffer.alloc(32)) })
    const round = new HandOverRound({
      ...{ db, messages, time: clock, log: silentLog() },
      fresh: new FreshMessages(),
      unsent: new UnsentMessages({ db, messages, events, clock, news: new MessageNews() }),
      sessions: { placesOf: async () => [session], startAgain: async () => undefined },
      media: { giveToNode: async () => undefined },
      isSuspended: async () => false,
      liveNode: (nodeId) => ({ nodeId, epoch: 'e1', client: { call } as unknown as NodeClient, taken }),
    })
    await round.handOver(session.nodeId, [session.id])
    return [...taken.snapshot().keys()]
  }
  const accept = async (...bodies: string[]) => {
    const accepted = bodies.map((body) => aMessage(session, body))
    await db.write((tx) => messages.add(tx, accepted))
    return accepted
  }
  const now = async (all: Message[]) =>
    Promise.all(
      all.map(async ({ id }) => {
        const message = await messages.find(DEFAULT_TENANT, id)
        return [message?.awaiting, message?.status, message?.reason]
      }),
    )
  const isOdd = ({ content }: OutgoingMessageInput) => content?.text?.body === 'odd'
  const waits = [true, 'pending', undefined]
  const failed = [false, 'failed', 'refused_by_node']

  it('fails, and those beside it are taken on', async () => {
    const all = await accept('a', 'odd', 'b')
    const taken = await handOver((async (_: unknown, request: { messages: OutgoingMessageInput[] }) => ({
      results: request.messages.map((message) => {
        const refused = isOdd(message) ? 'invalid' : ''
        return { messageId: message.messageId, errorCode: refused, error: refused && 'what is that?' }
      }),
    })) as unknown as NodeClient['call'])
    expect(await now(all)).toEqual([waits, failed, waits])
    expect(taken).toEqual([all[0]?.id, all[2]?.id])
    const told = await messages.find(DEFAULT_TENANT, all[1]?.id ?? 'msg_')
    expect(told?.error).toContain('what is that?')
  })

  it('fails at a node, too, that refuses all that came with it', async () => {
    const all = await accept('a', 'b', 'c', 'odd', 'd')
    const order: string[] = []
    const taken = await handOver((async (_: unknown, request: { messages: OutgoingMessageInput[] }) => {
      if (request.messages.some(isOdd)) throw new AppError('invalid', 'content is missing')
      order.push(...request.messages.map(({ content }) => content?.text?.body ?? ''))
      return { results: request.messages.map(({ messageId }) => ({ messageId, errorCode: '', error: '' })) }
    }) as unknown as NodeClient['call'])
    expect(await now(all)).toEqual([waits, waits, waits, failed, waits])
    expect(taken).toHaveLength(4)
    expect(order).toEqual(['a', 'b', 'c', 'd'])
  })

  it('waits for a person when it may have gone out from elsewhere', async () => {
    const [message] = (await accept('odd')) as [Message]
    const unknown = { ...message, status: 'unknown' as const, reason: 'resend_requested' }
    await db.write((tx) => messages.change(tx, [{ before: message, after: unknown }]))
    const refusing = () => Promise.reject(new AppError('invalid', 'content is missing'))
    await handOver(refusing as unknown as NodeClient['call'])
    expect(await now([message])).toEqual([[false, 'unknown', 'held']])
  })
})

function aMessage({ id: sessionId }: Session, body: string): Message {
  const id = newId('msg')
  return {
    ...{ id, tenantId: DEFAULT_TENANT, sessionId, direction: 'out', origin: 'api', chatId: '4915112345678@c.us' },
    ...{ content: { type: 'text', text: { body } }, mentions: [], onUnknown: 'resend', status: 'pending' },
    ...{ waMessageId: waMessageId(id), awaiting: true, offered: true, createdAt: Date.now() },
  }
}

function aSession(): Session {
  const id = newId('ses')
  return {
    ...{ id, tenantId: DEFAULT_TENANT, name: id, liveName: id, engine: 'sandbox', nodeId: 'nod_a' },
    ...{ wanted: 'running', status: 'connected', reason: null, detail: null, phone: null, lid: null, pushName: null },
    ...{ pacing: { gapMs: 0, jitterMs: 0, messagesPerDay: 0 }, sandbox: null, metadata: null },
    ...{ changedAt: new Date(), connectedAt: new Date(), createdAt: new Date(), deletedAt: null },
  }
}
