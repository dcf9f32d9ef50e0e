import { afterEach, describe, expect, it } from 'vitest'
import type { OutgoingMessage, SessionId } from '../../proto/contract.js'
import { outgoingToProto } from '../../proto/mapping.js'
import { anOutgoing, startTestNode, type TestNode, type TestNodeOptions } from '../testing.js'
import { sendsOf } from './testing.js'

describe('messages handed to a node', () => {
  let node: TestNode
  afterEach(() => node.stop())

  const start = async (options: TestNodeOptions = {}) => {
    node = await startTestNode(options)
  }
  const { reached, wire } = sendsOf(() => node)

  it('go out once each, in order, however often they are handed over', async () => {
    await start()
    const sessionId = await node.startSession()
    const messages = Array.from({ length: 120 }, () => anOutgoing())
    await Promise.all([node.send(sessionId, ...messages), node.send(sessionId, ...messages)])
    await reached(messages.at(-1) as OutgoingMessage, 'sent')
    await node.send(sessionId, ...messages)
    expect(await wire()).toEqual(messages.map(({ waMessageId }) => waMessageId))
  })

  it('fail with not_on_whatsapp, and nothing is sent', async () => {
    await start()
    const sessionId = await node.startSession()
    const message = anOutgoing({ to: '999000123@c.us' })
    await node.send(sessionId, message)
    await reached(message, 'failed', 'not_on_whatsapp')
    expect(await wire()).toEqual([])
  })

  it('wait until the session is linked; those that were cancelled or expired meanwhile never go out', async () => {
    await start({ config: { timing: { expirySweepMs: 20 } } })
    const sessionId = await node.startSession({ sandbox: {} })
    const [cancelled, expired, kept, buried] = [
      anOutgoing(),
      anOutgoing({ expiresInMs: 1 }),
      anOutgoing(),
      anOutgoing(),
    ]
    await node.send(sessionId, cancelled, expired, kept)
    const cancel = (messageId: string) => node.client.call('CancelMessage', { sessionId, messageId })
    expect(await cancel(cancelled.id)).toEqual({ cancelled: true })
    expect(await cancel(buried.id)).toEqual({ cancelled: true })
    await node.send(sessionId, buried)
    await reached(cancelled, 'failed', 'cancelled')
    await reached(expired, 'failed', 'expired')
    await reached(buried, 'failed', 'cancelled')
    await node.client.call('DriveSandbox', { sessionId, pair: { phone: '4915166666666' } })
    await reached(kept, 'sent')
    expect(await wire()).toEqual([kept.waMessageId])
    expect(await cancel(kept.id)).toEqual({ cancelled: false })
  })

  it('fail when another number is linked, and when their session is deleted', async () => {
    await start()
    const sessionId = await node.startSession({ sandbox: {} })
    const pair = (phone: string) => node.client.call('DriveSandbox', { sessionId, pair: { phone } })
    await pair('4915100000001')
    await node.client.call('LogoutSession', { sessionId })
    const [first, second] = [anOutgoing(), anOutgoing()]
    await node.send(sessionId, first)
    await node.client.call('StartSession', { sessionId, tenantId: 'ten_default', name: 'default', engine: 'sandbox' })
    await node.event(
      ({ position, body }) => position > 5 && body.kind === 'session_status' && body.session.status === 'qr_pending',
    )
    await pair('4915100000002')
    await reached(first, 'failed', 'number_changed')
    await node.client.call('StopSession', { sessionId })
    await node.send(sessionId, second)
    await node.client.call('DeleteSession', { sessionId })
    await reached(second, 'failed', 'session_deleted')
  })

  it('go out at the pace of their session, and wait for tomorrow when its day is full, saying so', async () => {
    let now = Date.UTC(2026, 0, 1, 23, 59, 59)
    await start({ outside: { clock: () => now } })
    const pacing = { gapMs: 60, jitterMs: 0, messagesPerDay: 2 }
    const sessionId = await node.startSession({ pacing })
    const [first, second, third] = [anOutgoing(), anOutgoing(), anOutgoing()]
    const begun = performance.now()
    await node.send(sessionId, first, second, third)
    await reached(second, 'sent')
    expect(performance.now() - begun).toBeGreaterThan(55)
    await reached(third, 'pending', 'daily_limit')
    expect(await wire()).toHaveLength(2)
    now += 2_000
    await node.client.call('UpdateSession', { sessionId, pacing })
    await reached(third, 'sent')
  })

  it('go out as soon as the pause that they wait for is taken away', async () => {
    await start()
    const sessionId = await node.startSession({ pacing: { gapMs: 600_000, jitterMs: 0, messagesPerDay: 0 } })
    const [first, second] = [anOutgoing(), anOutgoing()]
    await node.send(sessionId, first, second)
    await reached(first, 'sent')
    await node.client.call('UpdateSession', { sessionId, pacing: { gapMs: 0, jitterMs: 0, messagesPerDay: 0 } })
    await reached(second, 'sent')
  })

  it('fail when their file is not on the node', async () => {
    await start()
    const sessionId = await node.startSession()
    const image = { sha256: 'a'.repeat(64), mimetype: 'image/png', size: 1 }
    const message = anOutgoing({ content: { type: 'image', image } })
    await node.send(sessionId, message)
    await reached(message, 'failed', 'media_missing')
  })

  it('of the bot stand in the log with their content, and are refused when the session waits for a person', async () => {
    await start()
    const sessionId = await node.startSession({ sandbox: {} })
    await node.event(({ body }) => body.kind === 'session_status' && body.session.status === 'qr_pending')
    const message = anOutgoing({ origin: 'telegram' })
    await expect(node.send(sessionId, message)).rejects.toThrow('not_ready')
    await node.client.call('DriveSandbox', { sessionId, pair: {} })
    await node.send(sessionId, message)
    const { body } = await node.event(({ body: { kind } }) => kind === 'message_queued')
    expect(body).toEqual({ kind: 'message_queued', message })
  })

  it('are refused one by one when they cannot be read', async () => {
    await start()
    const sessionId = await node.startSession()
    const [first, last] = [anOutgoing(), anOutgoing()]
    const { content: _, ...empty } = outgoingToProto(anOutgoing())
    const messages = [outgoingToProto(first), empty, outgoingToProto(last)].map((each) => ({ ...each, sessionId }))
    const { results } = await node.client.call('SendMessages', { messages })
    const refused = results.filter(({ errorCode }) => errorCode !== '')
    expect(refused).toEqual([{ messageId: empty.messageId, errorCode: 'invalid', error: 'content is missing' }])
    await reached(last, 'sent')
    expect(await wire()).toEqual([first.waMessageId, last.waMessageId])
  })

  it('are refused for a session that the node does not know, and when they are too many', async () => {
    await start()
    await expect(node.send('ses_unknown' as SessionId, anOutgoing())).rejects.toMatchObject({ code: 'not_found' })
    const sessionId = await node.startSession()
    const many = Array.from({ length: 201 }, () => anOutgoing())
    await expect(node.send(sessionId, ...many)).rejects.toMatchObject({ code: 'invalid', reason: 'too_many_messages' })
  })
})
