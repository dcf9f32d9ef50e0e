import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import type { SessionStatus } from '../proto/contract.js'
import { until } from '../test/until.js'
import { anOutgoing, aText, startTestNode, type TestNode } from './testing.js'
import { SandboxPhone } from './whatsapp/sandbox-phone.js'

const MAX_BYTES = 40_000

describe('an event log that nobody reads', () => {
  let node: TestNode
  afterEach(() => node.stop())

  const info = () => node.client.call('GetNode', {})
  const reached = (status: SessionStatus, reason: string, after = 0) =>
    node.event(
      ({ position, body }) =>
        position > after &&
        body.kind === 'session_status' &&
        body.session.status === status &&
        body.session.reason === reason,
    )

  it('has its sessions disconnected at its bound, and connected once it was read, with nothing lost', async () => {
    node = await startTestNode({ config: { eventLogMaxBytes: MAX_BYTES } })
    const sessionId = await node.startSession()
    await reached('connected', 'linked')
    const sent: string[] = []
    const receive = async (number: number) => {
      const body = `${number} ${'x'.repeat(2_000)}`
      const receive = { from: '4915155555555', content: { text: { body }, content: 'text' as const } }
      sent.push((await node.client.call('DriveSandbox', { sessionId, receive })).waMessageId)
    }
    for (let number = 1; (await info()).eventLogBytes < MAX_BYTES; number++) await receive(number)
    const { position } = await reached('disconnected', 'event_log_full')
    expect(await info()).toMatchObject({ eventLogMaxBytes: MAX_BYTES })

    // WhatsApp keeps what comes now, and a restart of the node starts nothing either.
    node = await node.restart()
    const start = { sessionId, tenantId: 'ten_default', name: 'default', engine: 'sandbox' }
    await node.client.call('StartSession', start)
    const { session } = await node.client.call('GetSession', { sessionId })
    expect(session).toMatchObject({ status: 'SESSION_STATUS_DISCONNECTED', reason: 'event_log_full' })
    const from = '4915155555555@c.us'
    const kept = { waMessageId: 'KEPT', chatId: from, from, to: '4915111111111@c.us' }
    const phone = new SandboxPhone(join(node.dataDir, 'profiles', sessionId))
    await phone.keep({ ...kept, content: aText('kept'), sentAt: Math.floor(Date.now() / 1_000) * 1_000 })
    const waiting = anOutgoing()
    await node.send(sessionId, waiting)

    const following = node.client.follow({ cursor: { epoch: '', position: 0 }, fence: 1 })
    const got: { position: number; waMessageId?: string }[] = []
    for await (const item of following.items) {
      if (item.kind !== 'batch') continue
      for (const event of item.events) {
        const body = 'body' in event ? event.body : undefined
        const received = body?.kind === 'message_received' ? { waMessageId: body.waMessageId } : {}
        got.push({ position: event.position, ...received })
      }
      following.acknowledge(got.at(-1)?.position ?? 0)
      if (got.some(({ waMessageId }) => waMessageId === 'KEPT')) break
    }
    following.end()
    await reached('connected', 'linked', position)
    await node.event(
      ({ body }) => body.kind === 'message_status' && body.messageId === waiting.id && body.status === 'sent',
    )
    expect(got.map((event) => event.position)).toEqual(got.map((_, index) => index + 1))
    expect(got.flatMap(({ waMessageId }) => waMessageId ?? [])).toEqual([...sent, 'KEPT'])
    expect((await info()).eventLogBytes).toBeLessThan(0.8 * MAX_BYTES)
  })

  it('loses first what was read, and disconnects nobody for that', async () => {
    node = await startTestNode({ config: { eventLogMaxBytes: MAX_BYTES } })
    const sessionId = await node.startSession()
    await reached('connected', 'linked')
    const following = node.client.follow({ cursor: { epoch: '', position: 0 }, fence: 1 })
    const reading = (async () => {
      for await (const item of following.items) {
        if (item.kind === 'batch') following.acknowledge(item.events.at(-1)?.position ?? 0)
      }
    })()
    const content = { text: { body: 'x'.repeat(2_000) }, content: 'text' as const }
    for (let number = 0; number < 60; number++) {
      await node.client.call('DriveSandbox', { sessionId, receive: { from: '4915155555555', content } })
      await until('there is room', async () => (await info()).eventLogBytes < 0.8 * MAX_BYTES)
    }
    following.end()
    await reading.catch(() => undefined)
    const told = await node.events()
    expect(told.some(({ body }) => body.kind === 'session_status' && body.session.status === 'disconnected')).toBe(
      false,
    )
    expect((await info()).eventLogBytes).toBeLessThan(MAX_BYTES)
  })
})
