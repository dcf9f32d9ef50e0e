import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { aText, anOutgoing } from '../../session-node/testing.js'
import { databases } from '../../test/databases.js'
import { type Answer, startTestGateway, type TestGateway } from '../../test/gateway.js'
import { ANNA, API, type Talk, talkThrough, text } from '../../test/messages.js'

describe.each(databases())('messages over REST on $name', (target) => {
  let test: TestGateway
  let talk: Talk
  beforeAll(async () => {
    test = await startTestGateway({ target })
    talk = talkThrough(test)
  })
  afterAll(() => test.stop())

  it('accepts a message and shows it sent, delivered and read, with its history', async () => {
    const session = await talk.linked()
    const body = 'Grüße 🧑🏽‍🚀 \t "\\'
    const sent = await talk.send(session, text(body, { reference: 'order-77', expiresInSeconds: 3_600 }))
    expect(sent).toMatchObject({
      status: 202,
      body: {
        id: expect.stringMatching(/^msg_[0-9a-z]{26}$/) as string,
        session: { name: session },
        ...{ direction: 'out', origin: 'api', to: ANNA, chatId: '4915112345678@c.us' },
        ...{ type: 'text', text: { body }, reference: 'order-77' },
        ...{ status: 'pending', reason: 'queued', nextAction: 'hand_over' },
        waMessageId: expect.stringMatching(/^3EB0[0-9A-F]{18}$/) as string,
      },
    })
    await talk.reaches(sent.body.id, 'delivered')
    await talk.acknowledge(session, sent.body.id, 'READ')
    const read = await talk.reaches(sent.body.id, 'read')
    expect(read).toMatchObject({ text: { body }, waMessageId: sent.body.waMessageId })
    expect(read.history.map(({ status }: { status: string }) => status)).toEqual([
      'pending',
      'sent',
      'delivered',
      'read',
    ])
    for (const time of [read.createdAt, read.sentAt, read.deliveredAt, read.readAt, read.expiresAt]) {
      expect(time).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/)
    }
    // By two clocks, one of which nobody can set: they may tick at different moments.
    expect(Math.abs(Date.parse(read.expiresAt) - Date.parse(read.createdAt) - 3_600_000)).toBeLessThan(100)
    expect(read).not.toHaveProperty('nextAction')
  })

  it('waits for the answer as long as Prefer says', async () => {
    const session = await talk.linked({ ackDelayMs: 100 })
    const sent = await talk.send(session, text('now'), { Prefer: 'wait=20' })
    expect(sent).toMatchObject({ status: 200, body: { status: expect.stringMatching(/sent|delivered/) as string } })
    expect(sent.headers.get('preference-applied')).toBe('wait=20')

    const slow = await talk.linked({ ackDelayMs: 60_000 })
    const waiting = await talk.send(slow, text('later'), { Prefer: 'respond-async, wait=1' })
    expect(waiting).toMatchObject({ status: 202, body: { status: 'pending' } })
    expect(waiting.headers.get('location')).toBe(`${API}/messages/${waiting.body.id}`)
  })

  it('hands 200 messages over in the order in which they were accepted', async () => {
    const session = await talk.linked()
    const ids: string[] = []
    for (let i = 0; i < 200; i++) ids.push((await talk.send(session, text(`number ${i}`))).body.id)
    await talk.reaches(ids.at(-1) ?? '', 'delivered')
    const events = await allEvents(test, `session=${session}&type=message.sent`)
    expect(events.map(({ data }) => data.messageId)).toEqual(ids)
    const shown = await talk.listed(`session=${session}`, 200)
    expect(shown.map(({ id }) => id)).toEqual([...ids].reverse())
  })

  it('pages, filters and shows nothing of others', async () => {
    const session = await talk.linked()
    const before = new Date().toISOString()
    for (let i = 0; i < 5; i++) await talk.send(session, text(`page ${i}`, i === 0 ? { to: '+4915100000001' } : {}))
    const seen: string[] = []
    for (let cursor = ''; ;) {
      const { body } = await test.ask('GET', `${API}/messages?session=${session}&limit=2${cursor}`)
      seen.push(...body.data.map((message: { text: { body: string } }) => message.text.body))
      if (!body.nextCursor) break
      cursor = `&cursor=${body.nextCursor}`
    }
    expect(seen).toEqual(['page 4', 'page 3', 'page 2', 'page 1', 'page 0'])
    const count = async (query: string) =>
      (await test.ask('GET', `${API}/messages?session=${session}&${query}`)).body.data.length
    expect(await count(`chatId=${encodeURIComponent('+49 151 00000001')}`)).toBe(1)
    expect(await count('chatId=4915112345678@c.us')).toBe(4)
    expect(await count('direction=in')).toBe(0)
    expect(await count('type=image')).toBe(0)
    expect(await count(`since=${before}`)).toBe(5)
    expect(await count(`until=${before}`)).toBe(0)
    const limited = await test.gateway.issueKey({ name: 'limited', scopes: ['messages:read'], sessions: ['ses_other'] })
    const { body } = await test.ask('GET', `${API}/messages`, undefined, { key: limited })
    expect(body.data).toEqual([])
  })

  it('stores what comes in, once, and finds what it answers', async () => {
    const session = await talk.linked()
    const asked = await talk.send(session, text('Still open?'))
    await talk.reaches(asked.body.id, 'delivered')
    const from = { from: '+491700000001', fromName: 'Béla 🎻' }
    await talk.receive(session, { ...from, type: 'text', text: { body: 'Yes 👍' }, replyTo: asked.body.waMessageId })
    await talk.receive(session, {
      ...from,
      type: 'location',
      location: { latitude: 52.5, longitude: 13.4, name: 'Here' },
    })
    const [where, answer] = await talk.listed(`session=${session}&direction=in`, 2)
    expect(answer).toMatchObject({
      ...{ direction: 'in', origin: 'contact', from: '+491700000001', fromName: 'Béla 🎻', status: 'delivered' },
      ...{ type: 'text', text: { body: 'Yes 👍' }, replyTo: asked.body.id, session: { name: session } },
    })
    expect(where).toMatchObject({ type: 'location', location: { latitude: 52.5, longitude: 13.4, name: 'Here' } })

    // A message that came in can be answered and reacted to.
    const replied = await talk.send(session, { ...text('Good'), replyTo: answer.id }, { Prefer: 'wait=10' })
    expect(replied).toMatchObject({ status: 200, body: { replyTo: answer.id } })
    const reaction = { type: 'reaction', reaction: { messageId: answer.id, emoji: '❤️' } }
    const reacted = await talk.send(session, reaction, { Prefer: 'wait=10' })
    expect(reacted).toMatchObject({ status: 200, body: { chatId: '491700000001@c.us', ...reaction } })
  })

  it('shows what was sent from Telegram in the same list', async () => {
    const session = await talk.linked()
    const { body } = await test.ask('GET', `${API}/sessions/${session}`)
    const node = test.nodes[0]!
    await node.send(body.id, anOutgoing({ content: aText('from the bot'), origin: 'telegram' }))
    const [message] = await talk.listed(`session=${session}`, 1)
    expect(message).toMatchObject({ origin: 'telegram', direction: 'out', text: { body: 'from the bot' } })
    await talk.reaches(message.id, 'delivered')
  })

  it('takes a message back that was not sent', async () => {
    const session = await talk.linked({}, { pacing: { gapMs: 60_000 } })
    const [first, second] = [await talk.send(session, text('one')), await talk.send(session, text('two'))]
    await talk.reaches(first.body.id, 'delivered')
    const cancelled = await test.ask('DELETE', `${API}/messages/${second.body.id}`)
    expect(cancelled).toMatchObject({ status: 200, body: { status: 'failed', reason: 'cancelled' } })
    expect(cancelled.body.error).toMatch(/Cancelled/)
    expect(await test.ask('DELETE', `${API}/messages/${second.body.id}`)).toMatchObject({ status: 409 })
    expect(await test.ask('DELETE', `${API}/messages/${first.body.id}`)).toMatchObject({
      status: 409,
      body: { code: 'already_sent' },
    })
    const events = await allEvents(test, `session=${session}&type=message.failed`)
    expect(events.map(({ data }) => data.messageId)).toEqual([second.body.id])
  })

  it('fails what waited longer than it may', async () => {
    const session = await talk.linked({}, { pacing: { gapMs: 60_000 } })
    await talk.send(session, text('one'))
    const { body } = await talk.send(session, text('two', { expiresInSeconds: 1 }))
    expect(await talk.reaches(body.id, 'failed')).toMatchObject({ reason: 'expired' })
  })

  it('fails what a deleted session has not sent, and keeps its messages', async () => {
    const session = await talk.linked({}, { pacing: { gapMs: 60_000 } })
    const sent = await talk.send(session, text('one'))
    await talk.reaches(sent.body.id, 'delivered')
    const bodies = Array.from({ length: 250 }, (_, index) => text(`${index}`))
    const waiting = await Promise.all(bodies.map((body) => talk.send(session, body)))
    expect((await test.ask('DELETE', `${API}/sessions/${session}`)).status).toBe(204)
    expect(await talk.send(session, text('too late'))).toMatchObject({ status: 404 })
    const message = await talk.reaches(waiting.at(-1)?.body.id as string, 'failed')
    expect(message).toMatchObject({ reason: 'session_deleted', session: { name: session } })
    const { body } = await test.ask('GET', `${API}/messages?limit=500&status=failed`)
    const failed = body.data.filter(({ session: { name } }: Answer['body']) => name === session)
    expect(failed).toHaveLength(250)
  })

  it.each([
    ['a number that is none', { to: 'call me' }, 400, 'invalid_number'],
    ['a number that is too short', { to: '+49' }, 400, 'invalid_number'],
    ['a chat id that is none', { to: 'x@c.us' }, 400, 'invalid_number'],
    ['no recipient', { to: undefined }, 400, 'invalid_request'],
    ['an unknown type', { type: 'fax' }, 400, 'invalid_request'],
    ['an unknown field', { txt: { body: 'hi' } }, 400, 'invalid_request'],
    ['an empty text', { text: { body: '' } }, 400, 'invalid_request'],
    ['a text that is too long', { text: { body: 'x'.repeat(65_537) } }, 400, 'invalid_request'],
    ['a time that is too long', { expiresInSeconds: 7 * 86_400 + 1 }, 400, 'invalid_request'],
    ['a mention that is no number', { mentions: ['me'] }, 400, 'invalid_number'],
    ['an unknown message to reply to', { replyTo: 'msg_01j00000000000000000000000' }, 422, 'message_not_found'],
    ['a file that is not there', { type: 'image', text: undefined, image: { id: 'med_x' } }, 422, 'media_not_found'],
    [
      'a private address',
      { type: 'image', text: undefined, image: { url: 'https://10.0.0.1/a.png' } },
      400,
      'blocked_address',
    ],
    ['a URL that is none', { type: 'image', text: undefined, image: { url: 'a.png' } }, 400, 'invalid_url'],
    [
      'what is no picture',
      { type: 'image', text: undefined, image: file('hello', 'image/png') },
      422,
      'media_unreadable',
    ],
    [
      'a text as a picture',
      { type: 'image', text: undefined, image: file('hello', 'text/plain') },
      415,
      'media_type_mismatch',
    ],
    [
      'what is no base64',
      { type: 'image', text: undefined, image: { base64: '***', mimetype: 'image/png' } },
      400,
      'invalid_base64',
    ],
    [
      'a poll with one option',
      { type: 'poll', text: undefined, poll: { question: '?', options: ['a'] } },
      400,
      'invalid_request',
    ],
  ])('refuses %s', async (_what, change, status, code) => {
    const session = await theSession()
    expect(await talk.send(session, { ...text('hi'), ...change })).toMatchObject({ status, body: { code } })
  })

  let shared: Promise<string> | undefined
  const theSession = () => (shared ??= talk.linked())

  it('refuses a body that is broken, another type, and unknown sessions and messages', async () => {
    const session = await theSession()
    const path = `${API}/sessions/${session}/messages`
    const raw = (body: string, type = 'application/json') =>
      test.fetch(path, { method: 'POST', body, headers: { 'Content-Type': type } })
    expect((await raw('{"to":')).status).toBe(400)
    expect((await raw('hi', 'text/plain')).status).toBe(415)
    const half = await raw(`{"to":"${ANNA}","type":"text","text":{"body":"\\ud83d"}}`)
    expect([half.status, ((await half.json()) as { code: string }).code]).toEqual([400, 'malformed_text'])
    expect(await talk.send('nobody', text('hi'))).toMatchObject({ status: 404, body: { code: 'session_not_found' } })
    expect(await test.ask('GET', `${API}/messages/msg_x`)).toMatchObject({
      status: 404,
      body: { code: 'message_not_found' },
    })
    expect(await test.ask('GET', `${API}/messages?cursor=abc`)).toMatchObject({
      status: 400,
      body: { code: 'invalid_cursor' },
    })
  })

  it('takes messages only from sessions that do not wait for a person', async () => {
    const made = await test.ask('POST', `${API}/sessions`, {
      name: `unlinked-${target.name.toLowerCase()}`,
      engine: 'sandbox',
    })
    const { name } = made.body
    await talk.sessionReads(name, 'qr_pending')
    expect(await talk.send(name, text('hi'))).toMatchObject({ status: 409, body: { code: 'not_ready' } })
    const session = await talk.linked()
    expect(await talk.send(session, text('hi'))).toMatchObject({ status: 202 })
    await test.ask('POST', `${API}/sessions/${session}/stop`)
    expect(await talk.send(session, text('hi'))).toMatchObject({ status: 409, body: { code: 'not_ready' } })
    await test.ask('POST', `${API}/sessions/${session}/start`)
    await talk.sessionReads(session, 'connected')
    await test.ask('POST', `${API}/sessions/${session}/sandbox/disconnect`, { forMs: 400 })
    await talk.sessionReads(session, 'disconnected')
    const { status, body } = await talk.send(session, text('hi'))
    expect(status).toBe(202)
    await talk.reaches(body.id, 'delivered')
  })
})

describe('short paths of messages', () => {
  let test: TestGateway
  let talk: Talk
  beforeAll(async () => {
    test = await startTestGateway()
    talk = talkThrough(test)
  })
  afterAll(() => test.stop())

  it('send text and media from the session named default, and answer with the result', async () => {
    expect(await test.ask('POST', `${API}/messages/send-text`, { recipient: ANNA, message: 'hi' })).toMatchObject({
      status: 404,
      body: { code: 'session_not_found' },
    })
    const sandbox = { phone: '+15550109999', autoPair: true }
    await test.ask('POST', `${API}/sessions`, { name: 'default', engine: 'sandbox', sandbox })
    await talk.sessionReads('default', 'connected')
    expect(await test.ask('POST', `${API}/messages/send-text`, { recipient: ANNA, message: 'hi' })).toMatchObject({
      status: 200,
      body: { status: 'sent', text: { body: 'hi' }, to: ANNA },
    })
    const form = new FormData()
    form.set('recipient', ANNA)
    form.set('caption', 'Our cat 🐈')
    form.set('file', new Blob([Buffer.from(PNG, 'base64')], { type: 'image/png' }), '../../cat "1".png')
    const sent = await test.fetch(`${API}/messages/send-media`, { method: 'POST', body: form })
    const body = (await sent.json()) as Record<string, unknown>
    expect([sent.status, body]).toMatchObject([
      200,
      {
        type: 'image',
        image: { caption: 'Our cat 🐈', mimetype: 'image/png', size: Buffer.from(PNG, 'base64').length },
      },
    ])
    const { body: list } = await test.ask('GET', `${API}/messages/list`)
    expect(list.data.map(({ type }: { type: string }) => type)).toEqual(['image', 'text'])
    expect(await test.ask('POST', `${API}/messages/send-media`, { recipient: ANNA })).toMatchObject({
      status: 422,
      body: { code: 'media_unreadable' },
    })
    expect(await test.ask('POST', `${API}/messages/send-text`, { recipient: 'x', message: 'hi' })).toMatchObject({
      status: 400,
      body: { code: 'invalid_number' },
    })
  })
})

const PNG = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=='

function file(content: string, mimetype: string) {
  return { base64: Buffer.from(content).toString('base64'), mimetype }
}

interface Shown {
  sequence: number
  type: string
  data: { messageId: string }
}

/** Every event that matches, oldest first. */
async function allEvents(test: TestGateway, query: string): Promise<Shown[]> {
  const events: Shown[] = []
  for (let cursor = ''; ;) {
    const { body } = await test.ask('GET', `${API}/events?limit=100&${query}${cursor}`)
    if (body.data.length === 0) return events
    events.push(...body.data)
    cursor = `&cursor=${body.nextCursor}`
  }
}
