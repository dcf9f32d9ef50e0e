import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { databases } from '../../test/databases.js'
import { type Answer, startTestGateway, type TestGateway } from '../../test/gateway.js'
import { until } from '../../test/until.js'

const API = '/api/v1'
const ANNA = '+4915112345678'
let number = 0

describe.each(databases())('messages over REST on $name', (target) => {
  let test: TestGateway
  beforeAll(async () => {
    test = await startTestGateway({ target })
  })
  afterAll(() => test.stop())

  /** A linked sandbox session. */
  const linked = async (sandbox: Record<string, unknown> = {}, name = `s${++number}`): Promise<string> => {
    const made = await test.ask('POST', `${API}/sessions`, {
      name,
      engine: 'sandbox',
      sandbox: { phone: `+1555010${String(number).padStart(4, '0')}`, autoPair: true, ...sandbox },
    })
    expect({ status: made.status, body: made.body }).toMatchObject({ status: 201 })
    await until(`${name} is connected`, async () => {
      const { body } = await test.ask('GET', `${API}/sessions/${name}`)
      return body.status === 'connected'
    })
    return name
  }
  const send = (session: string, message: Record<string, unknown>, headers: Record<string, string> = {}) =>
    test.ask('POST', `${API}/sessions/${session}/messages`, message, { headers })
  const text = (body: string, more: Record<string, unknown> = {}) => ({ to: ANNA, type: 'text', text: { body }, ...more })
  const reaches = (id: string, status: string): Promise<Answer['body']> =>
    until(`${id} is ${status}`, async () => {
      const { body } = await test.ask('GET', `${API}/messages/${id}`)
      return body.status === status ? body : undefined
    })

  it('accepts a message and shows it sent, delivered and read, with its history', async () => {
    const session = await linked()
    const sent = await send(session, text('Grüße 🧑🏽‍🚀', { reference: 'order-77', expiresInSeconds: 3_600 }))
    expect(sent).toMatchObject({
      status: 202,
      body: {
        id: expect.stringMatching(/^msg_[0-9a-z]{26}$/) as string,
        session: { name: session },
        direction: 'out',
        origin: 'api',
        to: ANNA,
        chatId: '4915112345678@c.us',
        type: 'text',
        text: { body: 'Grüße 🧑🏽‍🚀' },
        reference: 'order-77',
        status: 'pending',
        reason: 'queued',
        nextAction: 'hand_over',
        waMessageId: expect.stringMatching(/^3EB0[0-9A-F]{18}$/) as string,
      },
    })
    const read = await reaches(sent.body.id, 'read')
    expect(read).toMatchObject({ text: { body: 'Grüße 🧑🏽‍🚀' }, waMessageId: sent.body.waMessageId })
    expect(read.history.map(({ status }: { status: string }) => status)).toEqual(['pending', 'sent', 'delivered', 'read'])
    for (const time of [read.createdAt, read.sentAt, read.deliveredAt, read.readAt, read.expiresAt]) {
      expect(time).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/)
    }
    expect(read).not.toHaveProperty('nextAction')
  })
})
