import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { databases } from '../../test/databases.js'
import { startTestGateway, type TestGateway } from '../../test/gateway.js'
import { until } from '../../test/until.js'
import { eventOf, verified, WebhookCatcher } from '../../test/webhook-catcher.js'

describe.each(databases())('webhooks on $name', (target) => {
  let gateway: TestGateway
  let catcher: WebhookCatcher

  beforeAll(async () => {
    catcher = new WebhookCatcher()
    await catcher.start()
    gateway = await startTestGateway({ target, config: { deliverySchedule: [0, 20, 100, 300] } })
    await gateway.ask('POST', '/api/v1/sessions', {
      name: 'shop',
      engine: 'sandbox',
      sandbox: { phone: '+4915100000001', autoPair: true },
    })
    await until('the session is connected', async () => {
      const { body } = await gateway.ask('GET', '/api/v1/sessions/shop')
      return body.status === 'connected'
    })
  })
  afterEach(() => {
    catcher.reply = () => 204
  })
  afterAll(async () => {
    await gateway.stop()
    await catcher.stop()
  })

  const make = async (path: string, fields: object = {}) => {
    const { status, body } = await gateway.ask('POST', '/api/v1/webhooks', { url: catcher.url(path), ...fields })
    expect([status, body]).toMatchObject([201, { status: 'enabled' }])
    return body
  }
  const receive = async (text: string) => {
    const { status } = await gateway.ask('POST', '/api/v1/sessions/shop/sandbox/receive', {
      from: '+4915100000002',
      type: 'text',
      text: { body: text },
    })
    expect(status).toBeLessThan(300)
  }
  const deliveries = async (id: string, query = '') => {
    const { body } = await gateway.ask('GET', `/api/v1/webhooks/${id}/deliveries${query}`)
    return body.data
  }

  it('delivers what a session receives, signed', async () => {
    const webhook = await make('/first', { events: ['message.*'] })
    await receive('hi')
    const event = await catcher.next('message.received', { path: '/first' })
    expect(event).toMatchObject({ session: { name: 'shop' }, data: { message: { text: { body: 'hi' } } } })
    const [caught] = catcher.at('/first')
    expect(verified(caught!, webhook.secret)).toEqual(event)
    expect(caught?.id).toBe(event.id)
    await until('it is written down', async () => (await deliveries(webhook.id))[0]?.status === 'succeeded')
    expect(await deliveries(webhook.id)).toMatchObject([
      { event: event.id, type: 'message.received', attempts: [{ status: 204 }] },
    ])
  })

  it('delivers a picture once its file can be fetched, by a URL that needs no key', async () => {
    await make('/picture', { events: ['message.received'] })
    const png = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=='
    const { status } = await gateway.ask('POST', '/api/v1/sessions/shop/sandbox/receive', {
      from: '+4915100000002',
      type: 'image',
      image: { base64: png, mimetype: 'image/png' },
    })
    expect(status).toBeLessThan(300)
    const { data } = await catcher.next('message.received', { path: '/picture' })
    expect(data.message.image.pending).toBeUndefined()
    const file = await fetch(data.message.image.url)
    expect(Buffer.from(await file.arrayBuffer()).toString('base64')).toBe(png)
  })

  it('tries again until it is accepted, under the same id with a signature of its own', async () => {
    const webhook = await make('/again', { events: ['message.received'] })
    let left = 2
    catcher.reply = ({ path }) => (path === '/again' && left-- > 0 ? { status: 500, body: 'not now' } : 204)
    await receive('again')
    await until('three attempts', () => catcher.at('/again').length === 3)
    const attempts = catcher.at('/again')
    expect(new Set(attempts.map(({ id }) => id)).size).toBe(1)
    for (const attempt of attempts) expect(verified(attempt, webhook.secret).data.message.text.body).toBe('again')
    const [delivery] = await until('it is over', async () => {
      const all = await deliveries(webhook.id)
      return all[0]?.status === 'succeeded' && all
    })
    expect(delivery.attempts).toMatchObject([{ status: 500, answer: 'not now' }, { status: 500 }, { status: 204 }])
  })

  it('gives up after the last attempt, and delivers when it is asked to', async () => {
    const webhook = await make('/dead', { events: ['message.received'] })
    catcher.reply = ({ path }) => (path === '/dead' ? 503 : 204)
    await receive('dead letter')
    const [dead] = await until('it is exhausted', async () => {
      const all = await deliveries(webhook.id, '?status=exhausted')
      return all.length === 1 && all
    })
    expect(dead.attempts).toHaveLength(4)
    expect(await deliveries(webhook.id, '?status=succeeded')).toEqual([])
    catcher.reply = () => 200
    const { status } = await gateway.ask('POST', `/api/v1/webhooks/${webhook.id}/replay`, { failed: true })
    expect(status).toBe(202)
    await until('it is delivered', async () => (await deliveries(webhook.id))[0]?.status === 'succeeded')
    expect(
      catcher
        .at('/dead')
        .map(eventOf)
        .map(({ id }) => id),
    ).toEqual(Array(5).fill(dead.event))
  })
})
