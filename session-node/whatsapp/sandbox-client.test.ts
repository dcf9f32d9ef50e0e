import { readdirSync, readlinkSync } from 'node:fs'
import { appendFile, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { MessageStatus, SessionId } from '../../proto/contract.js'
import { newId } from '../../runtime/ids.js'
import { until } from '../../test/until.js'
import { anOutgoing, aText, startTestNode, type TestNode } from '../testing.js'
import { type WireLine, WireLog } from './wire-log.js'

describe('a sandbox session', () => {
  let node: TestNode
  beforeEach(async () => {
    node = await startTestNode()
  })
  afterEach(() => node.stop())

  const linked = async (sandbox = {}) => {
    const sessionId = await node.startSession({ sandbox: { phone: '+49 151 11111111', autoPair: true, ...sandbox } })
    await node.event(({ body }) => body.kind === 'session_status' && body.session.status === 'connected')
    return sessionId
  }
  const reached = (waMessageId: string, status: MessageStatus) =>
    node.event(
      ({ body }) => body.kind === 'message_status' && body.waMessageId === waMessageId && body.status === status,
    )

  it('sends back what it is sent when it was told to echo, as a reply', async () => {
    const sessionId = await linked({ reply: 'echo' })
    const message = anOutgoing({ content: aText('Echo?') })
    await node.send(sessionId, message)
    const { body } = await node.event(({ body: { kind } }) => kind === 'message_received')
    expect(body).toMatchObject({
      from: message.to,
      to: '4915111111111@c.us',
      content: aText('Echo?'),
      replyTo: message.waMessageId,
    })
  })

  it('acks by itself up to delivered, and further when it is driven', async () => {
    const sessionId = await linked()
    const message = anOutgoing()
    await node.send(sessionId, message)
    await reached(message.waMessageId, 'delivered')
    const ack = { waMessageId: message.waMessageId, status: 'MESSAGE_STATUS_READ' as const }
    await node.client.call('DriveSandbox', { sessionId, ack })
    const { body } = await reached(message.waMessageId, 'read')
    expect(body).toMatchObject({ messageId: message.id })
  })

  it('knows which numbers are on its WhatsApp, and offers a pairing code until it is linked', async () => {
    const sessionId = await linked()
    const check = (phone: string) => node.client.call('CheckNumber', { sessionId, phone })
    expect(await check('4915155555555')).toEqual({ onWhatsapp: true, chatId: '4915155555555@c.us' })
    expect(await check('9990001')).toEqual({ onWhatsapp: false, chatId: '' })
    const waiting = await node.startSession({ sandbox: {} })
    await node.event(
      ({ sessionId: id, body }) =>
        id === waiting && body.kind === 'session_status' && body.session.status === 'qr_pending',
    )
    const code = (id: SessionId) => node.client.call('RequestPairingCode', { sessionId: id, phone: '4915177777777' })
    expect((await code(waiting)).code).toMatch(/^[A-Z0-9]{8}$/)
    await expect(code(sessionId)).rejects.toMatchObject({ code: 'not_ready' })
    await expect(node.client.call('GetScreenshot', { sessionId })).rejects.toMatchObject({ code: 'not_supported' })
  })

  it('writes each message down with its chat and a hash, and goes on after a line that a crash cut short', async () => {
    const sessionId = await linked()
    const [first, second] = [anOutgoing(), anOutgoing()]
    const path = join(node.dataDir, 'sandbox', 'wire.log')
    await node.send(sessionId, first)
    await reached(first.waMessageId, 'delivered')
    await appendFile(path, '{"waMessageId":"3EB0')
    node = await node.restart()
    await node.send(sessionId, second)
    await reached(second.waMessageId, 'sent')
    const [one, cut, two] = (await readFile(path, 'utf8')).trim().split('\n')
    expect(cut).toBe('{"waMessageId":"3EB0')
    expect([one, two].map((line) => JSON.parse(line ?? '') as object)).toMatchObject([
      { waMessageId: first.waMessageId, session: sessionId, chat: first.to, sha256: expect.stringMatching(/^\w{64}$/) },
      { waMessageId: second.waMessageId },
    ])
  })

  it('closes its file again after each look', async () => {
    const wire = new WireLog(node.dataDir)
    await wire.start()
    const line = (waMessageId: string) => ({ waMessageId, session: newId('ses'), chat: '1', sha256: '', at: 0 })
    const lines = Array.from({ length: 2_000 }, (_, index) => line(`3EB0${index}`))
    await Promise.all(lines.map((each) => wire.append(each)))
    const [first] = lines as [WireLine]
    for (let look = 0; look < 20; look++) expect(await wire.has(first.session, first.waMessageId)).toBe(true)
    // Its own one, to write to, and that of the node.
    await until('nobody reads it any more', () => timesOpen(wire.path) === 2)
    await wire.stop()
  })
})

function timesOpen(path: string): number {
  const files = readdirSync('/proc/self/fd').map((name) => {
    try {
      return readlinkSync(`/proc/self/fd/${name}`)
    } catch {
      // Closed since the folder was read.
      return ''
    }
  })
  return files.filter((file) => file === path).length
}
