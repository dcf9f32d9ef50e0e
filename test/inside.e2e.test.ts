import { randomBytes } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Network, startNetwork } from './network.js'
import { checkMetrics } from './promtool.js'
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

  it('is told in metrics that Prometheus has nothing to remark on, by each process', async () => {
    for (const name of ['gateway', 'node-1', 'bot']) {
      const { url } = await network.get(name).logged('metrics.listening')
      const page = await (await fetch(String(url))).text()
      await checkMetrics(page)
      expect(page, name).toMatch(/^switchboard_build_info\{version="\d/m)
    }
  })
})
