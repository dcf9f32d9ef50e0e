import { existsSync } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import type { SessionId, SessionStatus } from '../../proto/contract.js'
import { sessionFromProto } from '../../proto/mapping.js'
import { aText, startTestNode, type TestNode, type TestNodeOptions } from '../testing.js'
import type { ClientOptions, WhatsAppClient } from '../whatsapp/whatsapp-client.js'

describe('a session', () => {
  let node: TestNode
  afterEach(() => node.stop())

  const start = async (options: TestNodeOptions = {}) => {
    node = await startTestNode(options)
  }
  const reached = (status: SessionStatus, reason?: string, after = 0) =>
    node.event(
      ({ position, body }) =>
        position > after &&
        body.kind === 'session_status' &&
        body.session.status === status &&
        (reason === undefined || body.session.reason === reason),
    )
  const view = async (sessionId: SessionId) => {
    const { session } = await node.client.call('GetSession', { sessionId })
    return session ? sessionFromProto(session) : undefined
  }
  const startAgain = (sessionId: SessionId, restart = false) =>
    node.client.call('StartSession', {
      sessionId,
      tenantId: 'ten_default',
      name: 'default',
      engine: 'sandbox',
      restart,
    })
  const receive = async (sessionId: SessionId, body: string) => {
    const content = { text: { body }, content: 'text' as const }
    await node.client.call('DriveSandbox', { sessionId, receive: { from: '4915155555555', content } })
  }
  const received = async () =>
    (await node.events()).flatMap(({ body }) => (body.kind === 'message_received' ? [body.content] : []))

  /** Clients of the sandbox that are counted, and can be made to die. */
  const counted = () => {
    const made: { options: ClientOptions; client: WhatsAppClient; running: boolean }[] = []
    let most = 0
    const makeClient: NonNullable<NonNullable<TestNodeOptions['outside']>['makeClient']> = async (options, usual) => {
      const client = await usual(options)
      const one = { options, client, running: false }
      const [starting, stopping] = [client.start.bind(client), client.stop.bind(client)]
      client.start = () => {
        one.running = true
        most = Math.max(most, made.filter(({ running }) => running).length)
        return starting()
      }
      client.stop = async () => {
        await stopping()
        one.running = false
      }
      made.push(one)
      return client
    }
    return { made, makeClient, most: () => most, running: () => made.filter(({ running }) => running).length }
  }

  it('asks for no pairing code for a number that another session has: that could unlink it', async () => {
    await start()
    const phone = '4915111111111'
    const linked = await node.startSession({ sandbox: { phone, autoPair: true } })
    await reached('connected')
    const other = await node.startSession({ name: 'other', sandbox: {} })
    await reached('qr_pending')
    const ask = () => node.client.call('RequestPairingCode', { sessionId: other, phone })
    await expect(ask()).rejects.toMatchObject({ code: 'conflict', reason: 'already_linked' })
    await node.client.call('StopSession', { sessionId: linked })
    await expect(ask()).rejects.toMatchObject({ reason: 'already_linked' })
    await node.client.call('LogoutSession', { sessionId: linked })
    expect((await ask()).code).toHaveLength(8)
  })

  it.each(['start', 'stop', 'restart'] as const)(
    'is where the last of 50 commands at once puts it: %s',
    async (last) => {
      const clients = counted()
      await start({ outside: { makeClient: clients.makeClient } })
      const sessionId = await node.startSession()
      await reached('connected')
      const commands = {
        start: () => startAgain(sessionId),
        stop: () => node.client.call('StopSession', { sessionId }),
        restart: () => startAgain(sessionId, true),
      }
      const order = Array.from(
        { length: 49 },
        (_, index) => (['stop', 'restart', 'start'] as const)[index % 3] ?? 'stop',
      )
      await Promise.all([...order, last].map((command) => commands[command]()))
      const { position } = (await node.events()).at(-1) ?? { position: 0 }
      if (last !== 'stop' && (await view(sessionId))?.status !== 'connected')
        await reached('connected', 'linked', position)
      expect((await view(sessionId))?.status).toBe(last === 'stop' ? 'stopped' : 'connected')
      expect(clients.running()).toBe(last === 'stop' ? 0 : 1)
      expect(clients.most()).toBe(1)
    },
  )

  it('comes back by itself after it died, longer and longer after, and tells why', async () => {
    const clients = counted()
    const timing = { backoffMs: { first: 10, most: 40 }, breaker: { restarts: 3, withinMs: 60_000, pauseMs: 60_000 } }
    await start({ outside: { makeClient: clients.makeClient }, config: { timing } })
    const sessionId = await node.startSession()
    let after = 0
    for (const detail of ['first', 'second']) {
      await reached('connected', undefined, after)
      clients.made.at(-1)?.options.listener({ kind: 'died', reason: 'browser_crashed', detail })
      after = (await reached('disconnected', 'browser_crashed', after)).position
    }
    await reached('connected', undefined, after)
    clients.made.at(-1)?.options.listener({ kind: 'died', reason: 'page_crashed', detail: 'third' })
    await reached('disconnected', 'page_crashed', after)
    // The breaker holds it now; a person's command does not wait for that.
    await startAgain(sessionId)
    await reached('connected', undefined, after)
    expect(clients.made).toHaveLength(4)
    expect(clients.most()).toBe(1)
  })

  it('drops what a client of an earlier life still says', async () => {
    const clients = counted()
    await start({ outside: { makeClient: clients.makeClient } })
    const sessionId = await node.startSession()
    await reached('connected')
    await startAgain(sessionId, true)
    await reached('connected', undefined, (await reached('disconnected', 'restart_requested')).position)
    clients.made[0]?.options.listener({ kind: 'logged_out', reason: 'logged_out_by_phone' })
    clients.made[0]?.options.listener({ kind: 'qr', qr: 'late', expiresAt: 0 })
    expect((await view(sessionId))?.status).toBe('connected')
  })

  it('is restarted when its probes fail twice in a row', async () => {
    const clients = counted()
    await start({
      outside: { makeClient: clients.makeClient },
      config: { timing: { probeMs: 10, backoffMs: { first: 10, most: 10 } } },
    })
    await node.startSession()
    await reached('connected')
    const [first] = clients.made
    if (first) first.client.probe = async () => ({ alive: false, reason: 'page_unresponsive', detail: 'no answer' })
    const { position } = await reached('disconnected', 'page_unresponsive')
    await reached('connected', undefined, position)
  })

  it('is restarted when its browser takes too much memory', async () => {
    const clients = counted()
    await start({
      outside: { makeClient: clients.makeClient },
      config: { timing: { probeMs: 10, backoffMs: { first: 10, most: 10 } } },
    })
    await node.startSession()
    await reached('connected')
    const [first] = clients.made
    if (first) first.client.usage = async () => ({ memoryBytes: 2 * 2 ** 30, processes: 7 })
    const { position } = await reached('disconnected', 'memory_limit')
    await reached('connected', undefined, position)
  })

  it('is back after a restart of the node, without a new link, and looks back for what came meanwhile', async () => {
    await start()
    const sessionId = await node.startSession({ sandbox: {} })
    await node.client.call('DriveSandbox', { sessionId, pair: { phone: '4915177777777' } })
    await receive(sessionId, 'before')
    await node.client.call('DriveSandbox', { sessionId, disconnect: { forMs: 60_000 } })
    await receive(sessionId, 'meanwhile')
    expect(await received()).toEqual([aText('before')])
    const { position } = (await node.events()).at(-1) ?? { position: 0 }
    node = await node.restart()
    await reached('connected', undefined, position)
    await node.event(
      ({ body }) =>
        body.kind === 'message_received' && body.content.type === 'text' && body.content.text.body === 'meanwhile',
    )
    expect(await received()).toEqual([aText('before'), aText('meanwhile')])
    expect(await view(sessionId)).toMatchObject({ phone: '4915177777777', status: 'connected' })
  })

  it('stays stopped over a restart of the node when it was stopped', async () => {
    await start()
    const sessionId = await node.startSession()
    await reached('connected')
    await node.client.call('StopSession', { sessionId })
    node = await node.restart()
    expect(await view(sessionId)).toMatchObject({ status: 'stopped', reason: 'stopped_by_request' })
  })

  it('reads disconnected while the line is down, and connected again after', async () => {
    await start()
    const sessionId = await node.startSession()
    await reached('connected')
    await node.client.call('DriveSandbox', { sessionId, disconnect: { forMs: 20 } })
    const { position } = await reached('disconnected', 'connection_lost')
    await reached('connected', 'linked', position)
  })

  it('is logged out when the phone says so: its profile is gone and its next start shows a QR', async () => {
    await start()
    const sessionId = await node.startSession({ sandbox: {} })
    await node.client.call('DriveSandbox', { sessionId, pair: {} })
    await node.client.call('DriveSandbox', { sessionId, logout: {} })
    await reached('logged_out', 'logged_out_by_phone')
    await startAgain(sessionId)
    const { position } = await reached('logged_out')
    await reached('qr_pending', undefined, position)
    expect(existsSync(join(node.dataDir, 'profiles', sessionId, 'linked.json'))).toBe(false)
  })

  it('is forgotten when it is deleted, with its profile, and can be made anew', async () => {
    await start()
    const sessionId = await node.startSession()
    await reached('connected')
    await node.client.call('DeleteSession', { sessionId })
    await node.client.call('DeleteSession', { sessionId })
    await expect(view(sessionId)).rejects.toMatchObject({ code: 'not_found' })
    expect(await readdir(join(node.dataDir, 'profiles'))).toEqual([])
    await Promise.all([startAgain(sessionId), node.client.call('DeleteSession', { sessionId }), startAgain(sessionId)])
    await reached('qr_pending')
    expect((await view(sessionId))?.name).toBe('default')
  })

  it('does not take the place of another with its id', async () => {
    await start()
    const sessionId = await node.startSession()
    const other = { sessionId, tenantId: 'ten_other', name: 'default', engine: 'sandbox' }
    await expect(node.client.call('StartSession', other)).rejects.toMatchObject({ code: 'conflict' })
    const path = { ...other, sessionId: 'ses_../../etc' }
    await expect(node.client.call('StartSession', path)).rejects.toMatchObject({ code: 'invalid' })
  })
})
