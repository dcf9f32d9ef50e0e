import { readFile } from 'node:fs/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { mediaOf } from '../../../proto/contract.js'
import { PICTURE, VOICE } from '../../../simulator/fixtures.js'
import { createSimulator, type Draft, type KeyShape, type Phone } from '../../../simulator/simulator.js'
import { linkedSession, outgoing, text, type Harness, type TestClient } from './wwebjs-harness.js'

const shapes: { keyShape: KeyShape; addressing: 'c.us' | 'lid' }[] = [
  { keyShape: '_serialized', addressing: 'lid' },
  { keyShape: '$1', addressing: 'c.us' },
]

describe.each(shapes)('what a session with keys as $keyShape and chats by $addressing hears', (shape) => {
  const simulator = createSimulator(shape)
  let harness: Harness
  let session: TestClient
  let anna: Phone
  let ben: Phone

  beforeAll(async () => {
    await simulator.start()
    ;({ harness, session, anna, ben } = await linkedSession(simulator))
  })

  afterAll(async () => {
    await harness.end()
    await simulator.stop()
  })

  async function receive(draft: Draft) {
    const sent = await ben.send(anna.id, draft)
    return session.body('message_received', ({ waMessageId }) => waMessageId === sent.id)
  }

  async function bytesOf({ content }: Awaited<ReturnType<typeof receive>>): Promise<string> {
    const media = mediaOf(content)
    expect(media?.missing).toBeUndefined()
    return readFile(await harness.media.pathOf(media?.sha256 ?? ''), 'base64')
  }

  it('is a text with its sender, chat and time', async () => {
    const got = await receive({ type: 'text', body: 'hi 👋', at: 1_790_000_000_000 })
    expect(got).toMatchObject({
      chatId: ben.id,
      from: ben.id,
      to: anna.id,
      fromPhone: '4915122222222',
      fromName: 'Ben',
      origin: 'contact',
      content: text('hi 👋'),
      mentions: [],
      sentAt: 1_790_000_000_000,
    })
  })

  it('is media of every kind, told at once, with the bytes that were sent', async () => {
    const film = { base64: Buffer.from('a film').toString('base64'), mimetype: 'video/mp4', seconds: 7 }
    const sheet = { base64: Buffer.from('%PDF-1.4').toString('base64'), mimetype: 'application/pdf', filename: 'a.pdf' }
    const drafts: Draft[] = [
      { type: 'image', media: PICTURE, caption: 'a dot' },
      { type: 'video', media: film, caption: 'film' },
      { type: 'audio', media: VOICE },
      { type: 'voice', media: VOICE },
      { type: 'document', media: sheet, caption: 'the sheet' },
      { type: 'sticker', media: { ...PICTURE, mimetype: 'image/webp' } },
    ]
    for (const draft of drafts) {
      const got = await receive(draft)
      expect(got.content.type).toBe(draft.type)
      expect(await bytesOf(got)).toBe('media' in draft ? draft.media.base64 : '')
    }
    const documents = session.bodies('message_received').map(({ content }) => content)
    expect(documents.find(({ type }) => type === 'document')).toMatchObject({
      document: { filename: 'a.pdf', mimetype: 'application/pdf', caption: 'the sheet', size: 8 },
    })
    expect(documents.find(({ type }) => type === 'video')).toMatchObject({ video: { seconds: 7, caption: 'film' } })
  })

  it('is a large file in pieces', async () => {
    const large = Buffer.alloc(5 * 2 ** 20 + 17, 'switchboard')
    const got = await receive({ type: 'document', media: { base64: large.toString('base64'), mimetype: 'text/plain' } })
    expect(await bytesOf(got)).toBe(large.toString('base64'))
  })

  it('is a message without its file when WhatsApp no longer has it', async () => {
    await simulator.whatsapp.fault({ op: 'download', mode: 'null' })
    const media = { base64: Buffer.from('gone').toString('base64'), mimetype: 'text/plain' }
    const { content } = await receive({ type: 'document', media })
    await expect(harness.media.pathOf(mediaOf(content)?.sha256 ?? '')).rejects.toMatchObject({ code: 'not_found' })
  })

  it('is a location, a contact, a poll', async () => {
    const place = { latitude: 52.5, longitude: 13.4, name: 'Office', address: 'Main St 1' }
    expect((await receive({ type: 'location', ...place })).content).toEqual({ type: 'location', location: place })
    const cleo = await receive({ type: 'contacts', contacts: [{ name: 'Cleo', number: '4915133333333' }] })
    expect(cleo.content).toMatchObject({ contacts: [{ name: 'Cleo', phones: ['+4915133333333'] }] })
    const poll = { question: 'Lunch?', options: ['yes', 'no'], multiple: true }
    expect((await receive({ type: 'poll', ...poll })).content).toEqual({ type: 'poll', poll })
  })

  it('is a reply with mentions', async () => {
    const mine = outgoing(ben.id, text('who?'))
    await session.client.send(mine)
    await ben.message(({ id }) => id === mine.waMessageId)
    const got = await receive({
      type: 'text',
      body: 'you @4915111111111',
      quoted: mine.waMessageId,
      mentions: [anna.id],
    })
    expect(got.replyTo).toBe(mine.waMessageId)
    expect(got.mentions).toEqual([anna.id])
  })

  it('is an edit, a reaction, a deletion, a call', async () => {
    const sent = await ben.sendText(anna.id, 'helo')
    const { waMessageId } = await session.body('message_received', (body) => body.waMessageId === sent.id)
    await ben.edit(sent, 'hello')
    expect(await session.body('message_edited')).toEqual({
      kind: 'message_edited',
      waMessageId,
      chatId: ben.id,
      body: 'hello',
    })
    await ben.react(sent, '🎉')
    expect(await session.body('message_reaction')).toEqual({
      kind: 'message_reaction',
      waMessageId,
      chatId: ben.id,
      from: ben.id,
      fromPhone: '4915122222222',
      fromLid: expect.stringMatching(/^\d+@lid$/),
      fromName: 'Ben',
      emoji: '🎉',
    })
    await ben.revoke(sent)
    expect(await session.body('message_deleted')).toMatchObject({ waMessageId, chatId: ben.id })
    await ben.call(anna.id, { video: true })
    const call = { from: ben.id, fromPhone: '4915122222222', fromLid: ben.lid, fromName: 'Ben', video: true }
    expect(await session.body('call')).toMatchObject(call)
  })

  it('is said with the number beside the LID and the name, in groups too, in the order in which it happened', async () => {
    const who = (phone: Phone, name: string) => ({
      ...{ id: phone.id, phone: phone.number, lid: phone.lid, name },
    })
    const [cleo, dora, emil] = await Promise.all(
      ['Cleo', 'Dora', 'Emil'].map((name, at) =>
        simulator.whatsapp.phone(`491516666666${at}`, { name, hidesNumber: true }),
      ),
    )
    if (!cleo || !dora || !emil) throw new Error('Nobody is there')
    const team = await ben.createGroup('Team', [anna.id, cleo.id])
    await ben.addToGroup(team.id, [dora.id, emil.id])
    expect(await session.body('group', ({ change }) => change === 'joined')).toMatchObject({
      chatId: team.id,
      by: ben.id,
      byPerson: who(ben, 'Ben'),
      participants: [dora.id, emil.id],
      people: [who(dora, 'Dora'), who(emil, 'Emil')],
    })
    // She was never asked about; nothing that comes after her may be told before.
    const first = await cleo.send(team.id, { type: 'poll', question: 'When?', options: ['now', 'later'] })
    const second = await ben.sendText(team.id, 'second', { mentions: [dora.id] })
    await cleo.react(second, '👍')
    await dora.vote(first, ['now'])
    const from = (phone: Phone, name: string) => ({
      ...{ chatId: team.id, from: phone.id, fromPhone: phone.number, fromLid: phone.lid, fromName: name },
    })
    expect(await session.body('message_received', ({ waMessageId }) => waMessageId === first.id)).toMatchObject(
      from(cleo, 'Cleo'),
    )
    expect(await session.body('message_received', ({ waMessageId }) => waMessageId === second.id)).toMatchObject({
      ...from(ben, 'Ben'),
      mentions: [dora.id],
    })
    expect(await session.body('poll_vote')).toMatchObject({ ...from(dora, 'Dora'), options: ['now'] })
    expect(await session.body('message_reaction', ({ from }) => from === cleo.id)).toMatchObject(from(cleo, 'Cleo'))
    const order = session.bodies('message_received').map(({ waMessageId }) => waMessageId)
    expect(order.indexOf(second.id)).toBe(order.indexOf(first.id) + 1)
  })

  it('is told without the number when WhatsApp does not say it, and does not wait for it again', async () => {
    const fred = await simulator.whatsapp.phone('4915177777777', { name: 'Fred', hidesNumber: true })
    await simulator.whatsapp.fault({ op: 'lookup', mode: 'hang' })
    const [hidden, open] = shape.addressing === 'lid' ? [fred.lid, undefined] : [fred.id, fred.number]
    const ids: string[] = []
    // What comes after it has its turn after it.
    for (const sender of [fred, ben, fred]) ids.push((await sender.sendText(anna.id, 'hello')).id)
    const told = () => session.bodies('message_received').filter(({ waMessageId }) => ids.includes(waMessageId))
    await session.body('message_received', () => told().length === 3)
    expect(told().map(({ waMessageId }) => waMessageId)).toEqual(ids)
    for (const got of [told()[0], told()[2]]) {
      expect([got?.from, got?.fromPhone, got?.fromName]).toEqual([hidden, open, 'Fred'])
    }
  })

  it('is what was typed on the phone, apart from what was sent here', async () => {
    const typed = await anna.sendText(ben.id, 'typed')
    const got = await session.body('message_received', ({ waMessageId }) => waMessageId === typed.id)
    expect(got).toMatchObject({ origin: 'phone', chatId: ben.id, from: anna.id, to: ben.id })
    expect(session.bodies('message_received').filter(({ origin }) => origin === 'phone')).toHaveLength(1)
  })
})
