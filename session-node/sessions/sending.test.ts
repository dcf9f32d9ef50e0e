import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import type { MessageStatus, OutgoingMessage, SessionId } from '../../proto/contract.js'
import { outgoingToProto } from '../../proto/mapping.js'
import { anOutgoing, startTestNode, type TestNode, type TestNodeOptions } from '../testing.js'
import type { SendOutcome, WhatsAppClient } from '../whatsapp/whatsapp-client.js'

describe('messages handed to a node', () => {
  let node: TestNode
  afterEach(() => node.stop())

  const start = async (options: TestNodeOptions = {}) => {
    node = await startTestNode(options)
  }
  const reached = (message: OutgoingMessage, status: MessageStatus, reason?: string) =>
    node.event(
      ({ body }) =>
        body.kind === 'message_status' &&
        body.messageId === message.id &&
        body.status === status &&
        (reason === undefined || body.reason === reason),
    )
  const wire = async () => {
    const text = await readFile(join(node.dataDir, 'sandbox', 'wire.log'), 'utf8')
    return text
      .trim()
      .split('\n')
      .filter(Boolean)
      .map((line) => (JSON.parse(line) as { waMessageId: string }).waMessageId)
  }
  const history = async ({ id }: OutgoingMessage) =>
    (await node.events()).flatMap(({ body }) =>
      body.kind === 'message_status' && body.messageId === id ? [[body.status, body.reason]] : [],
    )
  /** The first send of each life ends as told; the others go the usual way. */
  const firstSend = (instead: (client: WhatsAppClient, message: OutgoingMessage) => Promise<SendOutcome>) => {
    let first = true
    return {
      makeClient: async (
        ...[options, usual]: Parameters<NonNullable<NonNullable<TestNodeOptions['outside']>['makeClient']>>
      ) => {
        const client = await usual(options)
        const send = client.send.bind(client)
        client.send = (message) => {
          if (!first) return send(message)
          first = false
          return instead(Object.assign(Object.create(client) as WhatsAppClient, { send }), message)
        }
        return client
      },
    }
  }

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

  it('of unknown outcome that left no trace go out again under their id, and say which check found none', async () => {
    await start({ outside: firstSend(async () => ({ outcome: 'unknown', reason: 'no_answer' })) })
    const sessionId = await node.startSession()
    const message = anOutgoing()
    await node.send(sessionId, message)
    const { body } = await reached(message, 'unknown', 'resending')
    expect(body).toMatchObject({ error: expect.stringContaining('wire_log') as string })
    await reached(message, 'delivered')
    expect(await history(message)).toEqual([
      ['unknown', 'no_answer'],
      ['unknown', 'resending'],
      ['sent', undefined],
      ['delivered', undefined],
    ])
    expect(await wire()).toEqual([message.waMessageId])
  })

  it('of unknown outcome that went out are not sent again', async () => {
    await start({
      outside: firstSend(async (client, message) => {
        await client.send(message)
        return { outcome: 'unknown', reason: 'no_answer' }
      }),
      config: { timing: { ackMs: 50 } },
    })
    const sessionId = await node.startSession()
    const message = anOutgoing()
    await node.send(sessionId, message)
    await reached(message, 'sent')
    await reached(message, 'delivered')
    expect(await wire()).toEqual([message.waMessageId])
  })

  it('of unknown outcome wait for a person when they were asked to be held', async () => {
    await start({ outside: firstSend(async () => ({ outcome: 'unknown', reason: 'no_answer' })) })
    const sessionId = await node.startSession()
    const [held, next] = [anOutgoing({ onUnknown: 'hold' }), anOutgoing()]
    await node.send(sessionId, held, next)
    await reached(held, 'unknown', 'held')
    await reached(next, 'sent')
    expect(await wire()).toEqual([next.waMessageId])
  })

  it('that are held go out when a person asks for it and no trace is found, once, whenever that is', async () => {
    await start({ outside: firstSend(async () => ({ outcome: 'unknown', reason: 'no_answer' })) })
    const sessionId = await node.startSession()
    const held = anOutgoing({ onUnknown: 'hold' })
    const resolve = (decision: string) =>
      node.client.call('ResolveMessage', { sessionId, messageId: held.id, decision })
    await expect(resolve('resend')).rejects.toMatchObject({ code: 'not_found' })
    await node.send(sessionId, held)
    await reached(held, 'unknown', 'held')
    await node.client.call('StopSession', { sessionId })
    await resolve('resend')
    node = await node.restart()
    await resolve('resend')
    expect(await wire()).toEqual([])
    await node.startSession({ sessionId })
    await reached(held, 'delivered')
    await expect(resolve('resend')).rejects.toMatchObject({ code: 'conflict', reason: 'not_held' })
    expect((await history(held)).map(([, reason]) => reason)).toEqual([
      ...['no_answer', 'held', 'resend_requested', 'resending'],
      ...[undefined, undefined],
    ])
    expect(await wire()).toEqual([held.waMessageId])
  })

  it('that are held are what a person says of them, and a late ack wins', async () => {
    await start({
      outside: firstSend(async () => ({ outcome: 'unknown', reason: 'no_answer' })),
    })
    const sessionId = await node.startSession()
    const held = anOutgoing({ onUnknown: 'hold' })
    await node.send(sessionId, held)
    await reached(held, 'unknown', 'held')
    // It may have gone out: nobody can say that it was taken back.
    expect(await node.client.call('CancelMessage', { sessionId, messageId: held.id })).toEqual({ cancelled: false })
    const resolve = (decision: string) =>
      node.client.call('ResolveMessage', { sessionId, messageId: held.id, decision })
    await resolve('failed')
    await resolve('failed')
    await expect(resolve('sent')).rejects.toMatchObject({ code: 'conflict', reason: 'not_held' })
    const ack = { waMessageId: held.waMessageId, status: 'MESSAGE_STATUS_READ' as const }
    await node.client.call('DriveSandbox', { sessionId, ack })
    await reached(held, 'read')
    expect(await history(held)).toEqual([
      ['unknown', 'no_answer'],
      ['unknown', 'held'],
      ['failed', 'settled_failed'],
      ['read', undefined],
    ])
    expect(await wire()).toEqual([])
  })

  it('that may have gone out from a lost node are looked for before they are sent', async () => {
    await start()
    const sessionId = await node.startSession()
    const [gone, missing] = [anOutgoing(), anOutgoing({ onUnknown: 'hold', lookFirst: true })]
    await node.send(sessionId, gone)
    await reached(gone, 'delivered')
    await node.send(sessionId, missing)
    await reached(missing, 'unknown', 'resending')
    await reached(missing, 'delivered')
    expect(await wire()).toEqual([gone.waMessageId, missing.waMessageId])
  })

  it('to a channel are held when it is not known whether they went out: they cannot be found again', async () => {
    await start({ outside: firstSend(async () => ({ outcome: 'unknown', reason: 'no_answer' })) })
    const sessionId = await node.startSession()
    const message = anOutgoing({ to: '120363000000000000@newsletter' })
    await node.send(sessionId, message)
    await reached(message, 'unknown', 'held')
    expect(await wire()).toEqual([])
  })

  it('that no ack came for are looked for', async () => {
    const dropped = firstSend(async () => ({ outcome: 'dispatched' }))
    await start({ outside: dropped, config: { timing: { ackMs: 30 } } })
    const sessionId = await node.startSession()
    const message = anOutgoing()
    await node.send(sessionId, message)
    await reached(message, 'unknown', 'ack_timeout')
    await reached(message, 'sent')
    expect(await wire()).toEqual([message.waMessageId])
  })

  it('leave the line to those behind them when their ack comes while they are looked for', async () => {
    const messages = Array.from({ length: 16 }, () => anOutgoing())
    const ids = new Set<string>(messages.map(({ id }) => id))
    await start({
      config: { timing: { pageAckMs: 600_000 } },
      outside: {
        makeClient: async (...[options, usual]) => {
          const client = await usual(options)
          const send = client.send.bind(client)
          client.send = async (message) =>
            ids.has(message.id) ? { outcome: 'unknown', reason: 'no_answer' } : send(message)
          client.findTrace = async ({ waMessageId, to }) => {
            options.listener({ kind: 'ack', waMessageId, chatId: to, status: 'sent' })
            return { found: true, status: 'pending', check: 'test' }
          }
          return client
        },
      },
    })
    const sessionId = await node.startSession()
    await node.send(sessionId, ...messages)
    for (const message of messages) await reached(message, 'sent')
    const next = anOutgoing()
    await node.send(sessionId, next)
    await reached(next, 'sent')
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

  it('that were in the hands of the page when the node ended are looked for at its next start', async () => {
    let hang: (() => void) | undefined
    const hanging = firstSend(() => new Promise(() => hang?.()))
    const isHanging = new Promise<void>((resolve) => (hang = resolve))
    await start({ outside: hanging, config: { timing: { sendMs: 600_000, idleMs: 50 } } })
    const sessionId = await node.startSession()
    const message = anOutgoing()
    await node.send(sessionId, message)
    await isHanging
    node = await node.restart()
    await reached(message, 'delivered')
    expect(await history(message)).toEqual([
      ['unknown', 'outcome_unknown'],
      ['unknown', 'resending'],
      ['sent', undefined],
      ['delivered', undefined],
    ])
    expect(await wire()).toEqual([message.waMessageId])
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
