import { afterEach, describe, expect, it } from 'vitest'
import { anOutgoing, startTestNode, type TestNode, type TestNodeOptions } from '../testing.js'
import { firstSend, sendsOf } from './testing.js'

describe('messages whose outcome a node does not know at once', () => {
  let node: TestNode
  afterEach(() => node.stop())

  const start = async (options: TestNodeOptions = {}) => {
    node = await startTestNode(options)
  }
  const { reached, wire, history } = sendsOf(() => node)

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
})
