import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Outside } from '../../session-node/session-node.js'
import { databases } from '../../test/databases.js'
import { startTestGateway, type TestGateway } from '../../test/gateway.js'
import { API, type Talk, talkThrough, text } from '../../test/messages.js'
import { until } from '../../test/until.js'

/** Texts that begin with "lost" go nowhere the first time, and nobody knows. */
const losing = (): NonNullable<Outside['makeClient']> => {
  const lost = new Set<string>()
  return async (options, usual) => {
    const client = await usual(options)
    const send = client.send.bind(client)
    client.send = (message) => {
      const { id, content } = message
      if (content.type !== 'text' || !content.text.body.startsWith('lost') || lost.has(id)) return send(message)
      lost.add(id)
      return Promise.resolve({ outcome: 'unknown', reason: 'no_answer' })
    }
    return client
  }
}

describe.each(databases())('messages that a person decides about, on $name', (target) => {
  let test: TestGateway
  let talk: Talk
  beforeAll(async () => {
    test = await startTestGateway({ target, node: { outside: { makeClient: losing() } } })
    talk = talkThrough(test)
  })
  afterAll(() => test.stop())

  const held = async () => {
    const session = await talk.linked()
    const { body } = await talk.send(session, text('lost', { onUnknown: 'hold' }))
    const message = await until('it is held', async () => {
      const shown = (await test.ask('GET', `${API}/messages/${body.id}`)).body
      return shown.reason === 'held' ? shown : undefined
    })
    expect(message).toMatchObject({ status: 'unknown', nextAction: 'decide' })
    return { session, id: String(body.id) }
  }
  const decide = (id: string, how: string, body?: object) => test.ask('POST', `${API}/messages/${id}/${how}`, body)
  const told = async (id: string) => {
    const { body } = await test.ask('GET', `${API}/messages/${id}`)
    return body.history.map(({ status, reason }: { status: string; reason?: string }) => [status, reason])
  }

  it('go out once when it is asked for, under the same id', async () => {
    const { id } = await held()
    const both = await Promise.all([decide(id, 'resend'), decide(id, 'resend')])
    // Who comes second may find it on its way already.
    expect(both.map(({ status }) => status)).toContain(200)
    expect(both.every(({ status, body }) => status === 200 || body.code === 'not_held')).toBe(true)
    await talk.reaches(id, 'delivered')
    expect(await told(id)).toEqual([
      ['pending', undefined],
      ['unknown', 'no_answer'],
      ['unknown', 'held'],
      ['unknown', 'resend_requested'],
      ['unknown', 'resending'],
      ['sent', undefined],
      ['delivered', undefined],
    ])
    expect(await decide(id, 'resend')).toMatchObject({ status: 409, body: { code: 'not_held' } })
  })

  it('go out once when the same is asked again', async () => {
    const { id } = await held()
    const headers = { 'Idempotency-Key': `resend-${id}` }
    const resend = () => test.ask('POST', `${API}/messages/${id}/resend`, undefined, { headers })
    const first = await resend()
    await talk.reaches(id, 'delivered')
    const again = await resend()
    expect([again.status, again.body]).toEqual([200, first.body])
    expect(again.headers.get('idempotency-replayed')).toBe('true')
  })

  it.each(['sent', 'failed'])('are what the person says: %s', async (status) => {
    const { id, session } = await held()
    const reason = `settled_${status}`
    expect(await decide(id, 'settle', { status })).toMatchObject({ status: 200, body: { status, reason } })
    expect(await decide(id, 'settle', { status })).toMatchObject({ status: 200, body: { status, reason } })
    expect(await decide(id, 'resend')).toMatchObject({ status: 409 })
    // What comes next in the log comes after the node's own word on it, which is no news.
    const next = await talk.send(session, text('next'))
    await talk.reaches(next.body.id, 'delivered')
    expect((await told(id)).slice(2)).toEqual([
      ['unknown', 'held'],
      [status, reason],
    ])
  })

  it('stay as they are while their node is away', async () => {
    const { id } = await held()
    const node = test.nodes[0]
    if (!node) throw new Error('There is no node')
    await node.stop({ keep: true })
    expect(await decide(id, 'settle', { status: 'sent' })).toMatchObject({ status: 503 })
    expect((await test.ask('GET', `${API}/messages/${id}`)).body).toMatchObject({ status: 'unknown', reason: 'held' })
  })

  it('are none that are decided already, or of others', async () => {
    expect(await decide('msg_01j00000000000000000000000', 'resend')).toMatchObject({ status: 404 })
    const { id } = (await test.ask('GET', `${API}/messages?status=delivered&limit=1`)).body.data[0]
    expect(await decide(id, 'settle', { status: 'failed' })).toMatchObject({ status: 409, body: { code: 'not_held' } })
    expect(await decide(id, 'settle', { status: 'read' })).toMatchObject({ status: 400 })
  })
})
