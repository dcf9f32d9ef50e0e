/** npm run webhook:listen, typed and looked at. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { sign } from '@octokit/webhooks-methods'
import { Webhook } from 'standardwebhooks'
import { afterEach, describe, expect, it } from 'vitest'
import { ADMIN_KEY, startTestGateway } from '../test/gateway.js'
import { until } from '../test/until.js'

const root = fileURLToPath(new URL('..', import.meta.url))
const SECRET = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'
const MESSAGE = { id: 'msg_1', direction: 'in', from: '+491510000002', type: 'text', text: { body: 'Grüße!' } }

const anEvent = (id: string, sequence: number) =>
  JSON.stringify({
    ...{ id, type: 'message.received', session: { id: 'ses_1', name: 'shop' }, sequence, data: { message: MESSAGE } },
  })

describe('npm run webhook:listen', () => {
  const undo: (() => Promise<unknown>)[] = []
  afterEach(async () => {
    for (const work of undo.splice(0)) await work()
  })

  async function listen(...args: string[]) {
    const typed = ['run', '--silent', 'webhook:listen', '--', '--port', '0', ...args]
    const env = { ...process.env, KEY: ADMIN_KEY }
    const child = spawn('npm', typed, { cwd: root, env, stdio: ['ignore', 'pipe', 'pipe'], detached: true })
    let said = ''
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => (said += chunk.toString()))
    // Its output is closed when npm, the shell and the receiver have all ended.
    const ended = once(child, 'close').then(([code]) => code as number)
    const stop = async () => {
      // As Ctrl+C does it: to all that were started.
      if (child.pid && child.exitCode === null && child.signalCode === null) process.kill(-child.pid, 'SIGINT')
      await ended
    }
    undo.push(stop)
    return { said: () => said, stop, ended, url: () => until('it listens', () => /http:\S+/.exec(said)?.[0]) }
  }

  async function post(url: string, body: string, { secret = SECRET, at = new Date(), id = 'evt_1' } = {}) {
    const headers = {
      'webhook-id': id,
      'webhook-timestamp': String(Math.floor(at.getTime() / 1_000)),
      'webhook-signature': new Webhook(secret).sign(id, at, body),
    }
    return fetch(url, { method: 'POST', headers, body })
  }

  it('tells how to make a webhook for it, and what the gateway must allow', async () => {
    const listener = await listen()
    const url = await listener.url()
    await until('it tells how', () => listener.said().includes('WEBHOOK_ALLOW_CIDRS=127.0.0.0/8'))
    expect(listener.said()).toContain(`-d '{"url": "${url}", "events": ["*"]}'`)
    const answer = await post(url, anEvent('evt_1', 1))
    expect(answer.status).toBe(204)
    await until('it says that nobody checked', () => /signature not checked: no --secret/.test(listener.said()))
  })

  it('prints who and what, without the text, and refuses what is not signed with the secret', async () => {
    const listener = await listen('--secret', SECRET)
    const url = await listener.url()
    expect((await post(url, anEvent('evt_2', 2), { id: 'evt_2' })).status).toBe(204)
    expect((await post(url, anEvent('evt_2', 2), { id: 'evt_2' })).status).toBe(204)
    expect((await post(url, anEvent('evt_1', 1))).status).toBe(204)
    const old = new Date(Date.now() - 400_000)
    expect((await post(url, anEvent('evt_3', 3), { at: old })).status).toBe(401)
    expect((await post(url, anEvent('evt_3', 3), { secret: 'whsec_b3RoZXIgc2VjcmV0IG9mIG91cnM=' })).status).toBe(401)
    expect((await fetch(url, { method: 'POST', body: anEvent('evt_3', 3) })).status).toBe(401)
    const hub = { 'x-hub-signature-256': await sign(SECRET, anEvent('evt_4', 4)) }
    expect((await fetch(url, { method: 'POST', headers: hub, body: anEvent('evt_4', 4) })).status).toBe(204)
    await until('all is said', () => /#4, signature ok/.test(listener.said()))
    const lines = listener
      .said()
      .split('\n')
      .flatMap((line) => /^\d\d:\d\d:\d\d {2}(.*)/.exec(line)?.[1] ?? [])
    const what = 'message.received      shop  from +491510000002, text of 6 characters, msg_1'
    expect(lines).toEqual([
      `${what}  (#2, signature ok)`,
      `${what}  (#2, signature ok, time 2 that it comes)`,
      `${what}  (#1, signature ok, an event after it came first)`,
      expect.stringMatching(/^refused: it was signed \d+ s ago$/),
      'refused: it was signed with another secret',
      'refused: it has no signature',
      `${what}  (#4, signature ok)`,
    ])
    expect(listener.said()).not.toContain('Grüße!')
  })

  it('rehearses trouble', async () => {
    const listener = await listen('--status', '503', '--times', '2', '--retry-after', '7', '--verbose')
    const url = await listener.url()
    const first = await post(url, anEvent('evt_1', 1))
    expect([first.status, first.headers.get('retry-after')]).toEqual([503, '7'])
    expect((await post(url, anEvent('evt_1', 1))).status).toBe(503)
    expect((await post(url, anEvent('evt_1', 1))).status).toBe(204)
    expect((await post(url, anEvent('evt_2', 2), { id: 'evt_2' })).status).toBe(503)
    await until('the whole event is printed', () => listener.said().includes('Grüße!'))
  })

  it('makes a webhook for the time that it runs', async () => {
    const { gateway, ask, stop } = await startTestGateway()
    undo.push(stop)
    const sandbox = { name: 'shop', engine: 'sandbox', sandbox: { autoPair: true } }
    await ask('POST', '/api/v1/sessions', sandbox)
    const listener = await listen('--register', '--gateway', gateway.localUrl())
    await until('there is a webhook', () => /Made the webhook whk_/.test(listener.said()))
    await until('the session is connected', async () => {
      return (await ask('GET', '/api/v1/sessions/shop')).body.status === 'connected'
    })
    const message = { from: '+491510000002', type: 'text', text: { body: 'Anyone there?' } }
    await ask('POST', '/api/v1/sessions/shop/sandbox/receive', message)
    const line =
      /message\.received {6}shop {2}from \+491510000002, text of 13 characters, msg_\w+ {2}\(#\d+, signature ok\)/
    await until('the message is told', () => line.test(listener.said()), { seen: listener.said })
    await listener.stop()
    expect((await ask('GET', '/api/v1/webhooks')).body.data).toEqual([])
  })

  it('says which option it does not understand', async () => {
    const listener = await listen('--status', 'teapot')
    expect(await listener.ended).toBe(2)
    expect(listener.said()).toMatch(/^--status must be a number/)
  })
})
