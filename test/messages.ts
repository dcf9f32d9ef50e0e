/** Sending and receiving through a test gateway, for tests of routes. */
import { waMessageId } from '../proto/wa-message-id.js'
import type { Answer, TestGateway } from './gateway.js'
import { until } from './until.js'

export const API = '/api/v1'
export const ANNA = '+4915112345678'
let number = 0

export interface Talk {
  /** A linked sandbox session; its name. */
  linked(sandbox?: Record<string, unknown>, more?: Record<string, unknown>): Promise<string>
  send(session: string, message: Record<string, unknown>, headers?: Record<string, string>): Promise<Answer>
  /** Waits until a message has a status; the message. */
  reaches(id: string, status: string): Promise<Answer['body']>
  /** The contact's phone says that it read, or played, a message. */
  acknowledge(session: string, id: string, status: 'READ' | 'PLAYED'): Promise<void>
  receive(session: string, message: Record<string, unknown>): Promise<void>
  /** Waits for messages that match a query of `GET /messages`; newest first. */
  listed(query: string, count: number): Promise<Answer['body'][]>
  sessionReads(session: string, status: string): Promise<Answer['body']>
}

export const text = (body: string, more: Record<string, unknown> = {}) => ({
  to: ANNA,
  type: 'text',
  text: { body },
  ...more,
})

export function talkThrough(test: TestGateway): Talk {
  const sessionReads: Talk['sessionReads'] = (session, status) =>
    until(`${session} is ${status}`, async () => {
      const { body } = await test.ask('GET', `${API}/sessions/${session}`)
      return body.status === status ? body : undefined
    })
  return {
    sessionReads,
    async linked(sandbox = {}, more = {}) {
      const name = `talk${++number}`
      const phone = `+1555010${String(number).padStart(4, '0')}`
      const wanted = { name, engine: 'sandbox', sandbox: { phone, autoPair: true, ...sandbox }, ...more }
      const { status, body } = await test.ask('POST', `${API}/sessions`, wanted)
      if (status !== 201) throw new Error(`No session: ${status} ${JSON.stringify(body)}`)
      await sessionReads(name, 'connected')
      return name
    },
    send: (session, message, headers = {}) =>
      test.ask('POST', `${API}/sessions/${session}/messages`, message, { headers }),
    reaches: (id, status) =>
      until(`${id} is ${status}`, async () => {
        const { body } = await test.ask('GET', `${API}/messages/${id}`)
        return body.status === status ? body : undefined
      }),
    async acknowledge(session, id, status) {
      const { body } = await test.ask('GET', `${API}/sessions/${session}`)
      const node = test.nodes.find(({ node }) => node.id() === body.node)
      await node?.client.call('DriveSandbox', {
        sessionId: body.id,
        ack: { waMessageId: waMessageId(id), status: `MESSAGE_STATUS_${status}` },
      })
    },
    async receive(session, message) {
      const { status, body } = await test.ask('POST', `${API}/sessions/${session}/sandbox/receive`, message)
      if (status >= 300) throw new Error(`Not received: ${status} ${JSON.stringify(body)}`)
    },
    listed: (query, count) =>
      until(`${count} messages of ${query}`, async () => {
        const { body } = await test.ask('GET', `${API}/messages?limit=500&${query}`)
        return body.data?.length >= count ? body.data : undefined
      }),
  }
}
