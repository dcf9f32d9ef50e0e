import { randomBytes } from 'node:crypto'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Network, startNetwork } from './network.js'
import { checkMetrics } from './promtool.js'
import { bytesOfDataUrl, readQr } from './qr.js'
import { until } from './until.js'
import { WebhookCatcher } from './webhook-catcher.js'

const OPERATOR = 1001
const ANNA = '4915112345678'
const parent = () => `00-${randomBytes(16).toString('hex')}-${randomBytes(8).toString('hex')}-01`
const traceIn = (header: unknown) => String(header).split('-')[1]

/** Gateway, node and bot as processes of their own, on sessions of the sandbox, logging as in production. */
describe('what is seen inside', () => {
  let network: Network
  const sink = new WebhookCatcher()

  beforeAll(async () => {
    await sink.start()
    const env = { LOG_LEVEL: 'info', METRICS_PORT: '0' }
    network = await startNetwork({ processes: 1, operator: OPERATOR, env })
    const { rest } = network
    await rest.post('/sessions', {
      name: 'shop',
      engine: 'sandbox',
      sandbox: { phone: '+15550001111', autoPair: true },
    })
    await until('connected', async () => (await rest.get('/sessions/shop')).body.status === 'connected')
    await rest.post('/webhooks', { url: sink.url(), events: ['message.*'] })
  })
  afterAll(async () => {
    await network.stop()
    await sink.stop()
  })

  const caughtOf = (id: string, type: string) =>
    until(`the sink gets ${type}`, () =>
      sink.caught.find(({ body }) => {
        const event = JSON.parse(String(body)) as { type: string; data: { messageId?: string } }
        return event.type === type && event.data.messageId === id
      }),
    )

  it('is one trace from a request through gateway and node to the webhook', async () => {
    const { rest } = network
    const given = parent()
    const message = { to: `+${ANNA}`, type: 'text', text: { body: 'Hi' } }
    const sent = await rest.post('/sessions/shop/messages', message, { traceparent: given, 'x-request-id': 'order-77' })
    const trace = traceIn(given)
    expect(sent.status).toBe(202)
    const fields = { trace, requestId: 'order-77' }
    expect(await network.get('gateway').logged('http.request', fields)).toMatchObject({ status: 202 })
    await network.get('node-1').logged('message.dispatched', { trace, message: sent.body.id })
    for (const type of ['message.sent', 'message.delivered']) {
      const { headers } = await caughtOf(sent.body.id, type)
      expect(traceIn(headers['traceparent'])).toBe(trace)
      expect(headers['traceparent']).not.toBe(given)
    }

    // Nonsense is not passed on; a trace is made instead, and what calls a node directly takes it along, too.
    await rest.post('/sessions/shop/stop', {}, { traceparent: `00-${'0'.repeat(32)}-x`, 'x-request-id': 'stop-1' })
    const called = await network.get('node-1').logged('rpc.called', { requestId: 'stop-1', method: 'StopSession' })
    expect(called['trace']).toMatch(/^(?!0+$)[0-9a-f]{32}$/)
    await network.get('gateway').logged('http.request', { requestId: 'stop-1', trace: called['trace'] })
    await rest.post('/sessions/shop/start')
    await until('connected', async () => (await rest.get('/sessions/shop')).body.status === 'connected')
  })

  it('is one trace from a command in Telegram, too', async () => {
    network.telegram.user(OPERATOR).says(`/send shop +${ANNA} hello from Telegram`)
    const { trace } = await network.get('bot').logged('command.done', { command: 'send' })
    const { message } = await network.get('node-1').logged('message.dispatched', { trace })
    const { headers } = await caughtOf(String(message), 'message.sent')
    expect(traceIn(headers['traceparent'])).toBe(trace)
  })

  it('is on record for operators: what they asked of the gateway, and what of nodes', async () => {
    const operator = network.telegram.user(OPERATOR)
    operator.says(`/send shop +${ANNA} on record`)
    operator.says('/new fresh sandbox')
    await network.telegram.chat(OPERATOR).next('Scan to link fresh')
    operator.says('/delete fresh')
    await operator.taps('Delete')
    const actions = ['sendMessage', 'createSession', 'showQr', 'deleteSession']
    const lines = await until('all is on record', async () => {
      const { body } = await network.rest.get(`/audit?actor=telegram:${OPERATOR}`)
      const done = (body.data as { action: string; outcome: string; trace: string }[]).filter(
        ({ outcome }) => outcome === 'done',
      )
      return actions.every((action) => done.some((line) => line.action === action)) && done
    })
    for (const { trace } of lines) expect(trace).toMatch(/^[0-9a-f]{32}$/)
    operator.says('/audit')
    await network.telegram.chat(OPERATOR).next(/deleteSession fresh/)
  })

  it('is told in metrics that Prometheus has nothing to remark on, by each process', async () => {
    for (const name of ['gateway', 'node-1', 'bot']) {
      const { url } = await network.get(name).logged('metrics.listening')
      const page = await (await fetch(String(url))).text()
      await checkMetrics(page)
      expect(page, name).toMatch(/^switchboard_build_info\{version="\d/m)
    }
  })

  it('tells no key, QR code, phone number or text, in no log line, metric, error answer or trace', async () => {
    const { rest, telegram } = network
    const text = `canarytext${randomBytes(8).toString('hex')}`
    const phones = ['4915788800001', '4915788800002', '15557770003']
    const [contact = '', reader = '', own = ''] = phones
    const refusals: string[] = []
    /** What must not go well, and what is said then. */
    const refused = async (asked: Promise<{ status: number; body: unknown; headers: Headers }>) => {
      const { status, body, headers } = await asked
      expect(status, JSON.stringify(body)).toBeGreaterThanOrEqual(400)
      refusals.push(JSON.stringify([body, [...headers]]))
    }

    // Linked by a QR code that is read in every way there is.
    await rest.post('/sessions', { name: 'secret', engine: 'sandbox', sandbox: { phone: `+${own}` } })
    const qr = await until('a QR code', async () => {
      const { status, body } = await rest.get('/sessions/secret/qr', { accept: 'application/json' })
      return status === 200 && (body as { qr: string; image: string })
    })
    expect(readQr(bytesOfDataUrl(qr.image))).toBe(qr.qr)
    const operator = telegram.user(OPERATOR)
    operator.says('/qr secret')
    await telegram.chat(OPERATOR).next('Scan to link secret')
    const { body: link } = await rest.post('/sessions/secret/link')
    expect((await fetch(link.url)).status).toBe(200)
    const { body: code } = await rest.post('/sessions/secret/pairing-code', { phone: `+${own}` })
    await rest.post('/sessions/secret/sandbox/pair', { phone: `+${own}` })
    await until('connected', async () => (await rest.get('/sessions/secret')).body.status === 'connected')

    // A key that is used rightly and wrongly; webhooks that fail in several ways, and say again what they were told.
    const { body: key } = await rest.post('/api-keys', { name: 'canary', scopes: ['messages:send'] })
    const closed = createServer().listen(0, '127.0.0.1')
    const nowhere = `http://127.0.0.1:${await new Promise((resolve) => closed.once('listening', () => resolve((closed.address() as AddressInfo).port)))}/${text}`
    closed.close()
    sink.reply = ({ path, body }) => (path === '/angry' ? { status: 500, body: body.toString() } : 204)
    const hooks = [sink.url('/angry'), `${sink.url('/kind')}?token=${text}`, nowhere]
    for (const url of hooks) await rest.post('/webhooks', { url, events: ['*'], headers: { 'X-Token': text } })

    // Everything that carries a text or a number.
    const sent = await Promise.all([
      rest.post('/sessions/secret/messages', { to: `+${contact}`, type: 'text', text: { body: text } }),
      rest.post('/messages/send-text', { session: 'secret', recipient: `+${contact}`, message: text }),
      rest.post('/sessions/secret/messages', {
        to: `+${contact}`,
        type: 'poll',
        poll: { question: text, options: [text, 'no'] },
      }),
    ])
    const file = new Blob([`%PDF-1.4 ${text}`], { type: 'application/pdf' })
    const media = await rest.upload('/media', file, `${text}.pdf`)
    await rest.post('/sessions/secret/messages', {
      to: `+${contact}`,
      type: 'document',
      document: { id: media.body.id, caption: text },
    })
    await rest.get(`/sessions/secret/numbers/+${contact}`)
    operator.says('/watch secret')
    operator.says(`/send secret +${reader} ${text}`)
    await rest.post('/sessions/secret/sandbox/receive', {
      from: `+${contact}`,
      fromName: text,
      type: 'text',
      text: { body: text },
    })
    const relayed = await telegram
      .chat(OPERATOR)
      .next((message) => message.text.includes(text) && message.text.includes(contact))
    operator.repliesTo(relayed, `${text} again`)
    for (const { body } of sent) {
      await until('delivered', async () => (await rest.get(`/messages/${body.id}`)).body.status === 'delivered')
    }
    await rest.get(`/messages?chatId=${contact}@c.us`)

    // What is refused.
    const send = (body: unknown, headers = {}) => rest.post('/sessions/secret/messages', body, headers)
    const raw = (init: RequestInit) =>
      fetch(`${rest.url}/api/v1/sessions/secret/messages?${text}=${contact}`, { method: 'POST', ...init }).then(
        async (answer) => ({ status: answer.status, body: await answer.text(), headers: answer.headers }),
      )
    const json = { authorization: `Bearer ${key.key}`, 'content-type': 'application/json' }
    await refused(raw({ headers: json, body: `{"to": "+${contact}", "text": "${text}` }))
    await refused(raw({ headers: { ...json, 'content-type': text }, body: text }))
    await refused(raw({ headers: { ...json, authorization: `Bearer ${text}` }, body: '{}' }))
    await refused(raw({ headers: { ...json, authorization: `Bearer ${String(key.key).slice(0, -1)}x` }, body: '{}' }))
    await refused(raw({ headers: { ...json, 'idempotency-key': `${text} ${contact} \t ` }, body: '{}' }))
    await refused(send({ to: `+${contact}`, type: 'text', text: text }))
    await refused(send({ to: `+${contact}`, type: text, text: { body: text } }))
    await refused(send({ to: `${text}+${contact}`, type: 'text', text: { body: text } }))
    await refused(send({ to: `+${contact}`, type: 'text', text: { body: text }, [contact]: text }))
    await refused(send({ to: `+${contact}`, type: 'image', image: { url: nowhere } }))
    await refused(send({ to: `+${contact}`, type: 'image', image: { base64: text, mimetype: text } }))
    await send({ to: `+${contact}`, type: 'text', text: { body: text } }, { 'idempotency-key': 'one' })
    await refused(send({ to: `+${contact}`, type: 'text', text: { body: `${text}2` } }, { 'idempotency-key': 'one' }))
    for (const path of [
      `/sessions/+${contact}`,
      `/messages/${text}`,
      `/sessions/secret/numbers/${text}`,
      `/${contact}/${text}`,
    ]) {
      await refused(rest.get(path))
    }
    await refused(rest.get(`/messages?cursor=${text}`))
    await refused(rest.post(`/sessions/+${contact}/stop`))
    operator.says(`/send nobody +${contact} ${text}`)
    operator.says(`/pair secret +${contact}`)
    operator.says(`/nonsense ${text} +${contact}`)

    // A node that goes away in the middle, and comes back.
    await network.get('node-1').kill()
    await refused(rest.get(`/sessions/secret/numbers/+${contact}`))
    await refused(rest.post('/sessions/secret/stop'))
    await send({ to: `+${contact}`, type: 'text', text: { body: text } })
    operator.says(`/send secret +${contact} ${text}`)
    await telegram.chat(OPERATOR).next(/Trying again cannot send it twice/)
    await network.again('node-1')
    await until(
      'all is sent',
      async () => {
        const { body } = await rest.get('/messages?session=secret&status=pending')
        return body.data.length === 0
      },
      { timeoutMs: 60_000 },
    )

    const pages = await Promise.all(
      ['gateway', 'node-1', 'bot'].map(async (name) => {
        const { url } = await network.get(name).logged('metrics.listening')
        return (await fetch(String(url))).text()
      }),
    )
    const records = await rest.get('/audit?limit=500')
    const told = [
      ...[...network.processes.values()].map((each) => each.output()),
      ...pages,
      ...refusals,
      JSON.stringify(records.body),
    ]
    for (const secret of [rest.key, key.key, qr.qr, code.code, link.url.split('/link/')[1], text, ...phones]) {
      expect(String(secret).length).toBeGreaterThan(6)
      const lines = told.flatMap((each) => each.split('\n')).filter((line) => line.includes(String(secret)))
      expect(lines, `tells ${secret}`).toEqual([])
    }
  })
})
