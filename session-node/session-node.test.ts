import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { sessionFromProto } from '../proto/mapping.js'
import { anOutgoing, startTestNode, type TestNode } from './testing.js'

describe('a session node', () => {
  let node: TestNode

  beforeEach(async () => {
    node = await startTestNode()
  })
  afterEach(() => node.stop())

  it('links a sandbox session, sends a message and tells how it fares', async () => {
    const sessionId = await node.startSession()
    await node.event(({ body }) => body.kind === 'session_status' && body.session.status === 'connected')
    const message = anOutgoing()
    await node.send(sessionId, message)
    await node.event(({ body }) => body.kind === 'message_status' && body.status === 'delivered')
    const told = (await node.events()).flatMap(({ body }) =>
      body.kind === 'message_status' ? [[body.messageId, body.waMessageId, body.status]] : [],
    )
    expect(told).toEqual([
      [message.id, message.waMessageId, 'sent'],
      [message.id, message.waMessageId, 'delivered'],
    ])
  })

  it('shows a QR until the sandbox phone pairs, and tells what comes in', async () => {
    const sessionId = await node.startSession({ sandbox: { phone: '4915133333333' } })
    await node.event(({ body }) => body.kind === 'session_status' && body.session.status === 'qr_pending')
    await node.client.call('DriveSandbox', { sessionId, pair: { phone: '4915144444444' } })
    const content = { text: { body: 'Hello' }, content: 'text' as const }
    await node.client.call('DriveSandbox', { sessionId, receive: { from: '4915155555555', content } })
    const { body } = await node.event(({ body: { kind } }) => kind === 'message_received')
    expect(body).toMatchObject({ from: '4915155555555@c.us', to: '4915144444444@c.us', content: { type: 'text' } })
    const { session } = await node.client.call('GetSession', { sessionId })
    expect(session && sessionFromProto(session)).toMatchObject({ status: 'connected', phone: '4915144444444' })
  })
})
