import { createHash } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Content, MediaType } from '../../../proto/contract.js'
import { mediaContent } from '../../../proto/contract.js'
import { PICTURE, VOICE } from '../../../simulator/fixtures.js'
import { createSimulator, type KeyShape, type Phone } from '../../../simulator/simulator.js'
import { linkedSession, outgoing, text, type Harness, type TestClient } from './wwebjs-harness.js'

const shapes: { keyShape: KeyShape; addressing: 'c.us' | 'lid' }[] = [
  { keyShape: '_serialized', addressing: 'c.us' },
  { keyShape: '$1', addressing: 'lid' },
]

describe.each(shapes)('a session with keys as $keyShape and chats by $addressing', (shape) => {
  const simulator = createSimulator({ ...shape, lookupBeforeFirstSend: true })
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

  async function send(content: Content, more = {}) {
    const message = outgoing(ben.id, content, more)
    expect(await session.client.send(message)).toEqual({ outcome: 'dispatched' })
    return { ...message, got: await ben.message(({ id }) => id === message.waMessageId) }
  }

  async function file(type: MediaType, draft: { base64: string; mimetype: string }, more = {}): Promise<Content> {
    const bytes = Buffer.from(draft.base64, 'base64')
    return mediaContent(type, {
      ...(await harness.media.put(bytes, draft.mimetype)),
      mimetype: draft.mimetype,
      ...more,
    })
  }

  it('says who is linked', async () => {
    expect(await session.next('connected')).toMatchObject({ phone: '4915111111111', pushName: 'Anna' })
    expect(session.client.pid).toBeGreaterThan(1)
  })

  it('sends text under the id chosen for it and hears of each ack up to read', async () => {
    const { waMessageId } = await send(text('hello'))
    await session.next('ack', (ack) => ack.waMessageId === waMessageId && ack.status === 'delivered')
    await ben.read(anna.id)
    await session.next('ack', (ack) => ack.waMessageId === waMessageId && ack.status === 'read')
    expect((await simulator.whatsapp.wire()).filter((line) => line.waMessageId === waMessageId)).toHaveLength(1)
    expect(session.bodies('message_received')).toEqual([])
  })

  it('sends pictures, films, sounds, voice, documents and stickers with the bytes they have', async () => {
    const film = { base64: Buffer.from('a film').toString('base64'), mimetype: 'video/mp4' }
    const sheet = { base64: Buffer.from('%PDF-1.4').toString('base64'), mimetype: 'application/pdf' }
    const image = await send(await file('image', PICTURE, { caption: 'a dot' }))
    expect(image.got).toMatchObject({ type: 'image', body: 'a dot', media: { mimetype: 'image/png' } })
    expect(image.got.media?.sha256).toBe(sha256(PICTURE.base64))
    const video = await send(await file('video', film, { caption: 'film' }))
    expect(video.got).toMatchObject({ type: 'video', body: 'film', media: { sha256: sha256(film.base64) } })
    expect((await send(await file('audio', VOICE))).got).toMatchObject({ type: 'audio' })
    const document = await send(await file('document', sheet, { filename: 'sheet.pdf', caption: 'the sheet' }))
    expect(document.got).toMatchObject({
      type: 'document',
      body: 'the sheet',
      media: { filename: 'sheet.pdf', sha256: sha256(sheet.base64) },
    })
    expect((await send(await file('sticker', PICTURE))).got).toMatchObject({
      type: 'sticker',
      media: { mimetype: 'image/webp' },
    })
    const voice = await send(await file('voice', VOICE))
    expect(voice.got).toMatchObject({ type: 'voice' })
    await ben.play(voice.got)
    await session.next('ack', ({ waMessageId, status }) => waMessageId === voice.waMessageId && status === 'played')
  })

  it('sends locations, contacts and polls', async () => {
    const location = { latitude: 52.5, longitude: 13.4, name: 'Office', address: 'Main St 1' }
    expect((await send({ type: 'location', location })).got.location).toEqual(location)
    const cleo = { name: 'Cleo', phones: ['+4915133333333'] }
    const dan = { name: 'Dan', phones: ['+4915144444444'] }
    const one = (await send({ type: 'contacts', contacts: [cleo] })).got.contacts
    expect(one).toEqual([{ name: 'Cleo', vcard: expect.stringContaining('waid=4915133333333') }])
    const two = (await send({ type: 'contacts', contacts: [cleo, dan] })).got.contacts
    expect(two?.map(({ name }) => name)).toEqual(['Cleo', 'Dan'])
    const poll = { question: 'Lunch?', options: ['yes', 'no'], multiple: false }
    const asked = await send({ type: 'poll', poll })
    expect(asked.got.poll).toEqual(poll)
    await ben.vote(asked.got, ['yes'])
    const vote = await session.body('poll_vote')
    expect(vote).toMatchObject({ waMessageId: asked.waMessageId, chatId: ben.id, fromPhone: '4915122222222' })
    expect(vote.options).toEqual(['yes'])
  })

  it('replies to a message, mentions people and reacts', async () => {
    const question = await ben.sendText(anna.id, 'who?')
    await session.body('message_received', ({ waMessageId }) => waMessageId === question.id)
    await simulator.whatsapp.phone('4915133333333', { name: 'Cleo' })
    const reply = await send(text('ask @4915133333333'), { replyTo: question.id, mentions: ['4915133333333@c.us'] })
    expect(reply.got.quoted).toMatchObject({ id: question.id, body: 'who?' })
    expect(reply.got.mentions).toEqual(['4915133333333@c.us'])

    const reaction = outgoing(ben.id, { type: 'reaction', reaction: { waMessageId: question.id, emoji: '👍' } })
    expect(await session.client.send(reaction)).toEqual({ outcome: 'dispatched' })
    await session.next('ack', ({ waMessageId, status }) => waMessageId === reaction.waMessageId && status === 'sent')
    await ben.message(({ id, reactions }) => id === question.id && reactions[0]?.emoji === '👍')
    expect(session.bodies('message_reaction')).toEqual([])
  })

  it('sends text that begins like a contact card as text', async () => {
    expect((await send(text('BEGIN:VCARD\nis how a card begins'))).got.type).toBe('text')
  })

  it('sends to a group and hears of its changes', async () => {
    const group = await ben.createGroup('Team', [anna.id])
    await ben.sendText(group.id, 'welcome')
    const welcome = await session.body('message_received', ({ chatId }) => chatId === group.id)
    expect(welcome).toMatchObject({ from: ben.id, fromPhone: '4915122222222', fromName: 'Ben', to: anna.id })
    const message = outgoing(group.id, text('hi all'), { replyTo: welcome.waMessageId })
    expect(await session.client.send(message)).toEqual({ outcome: 'dispatched' })
    await ben.message(({ id, chat }) => id === message.waMessageId && chat === group.id)
    const cleo = await simulator.whatsapp.phone('4915133333333', { name: 'Cleo' })
    await ben.addToGroup(group.id, [cleo.id])
    const joined = await session.body('group', ({ participants }) => participants.includes(cleo.id))
    expect(joined).toMatchObject({ change: 'joined', chatId: group.id, by: ben.id })
    await ben.updateGroup(group.id, { subject: 'The team' })
    expect(await session.body('group', ({ change }) => change === 'updated')).toMatchObject({ chatId: group.id })
  })

  it('finds out who is on WhatsApp', async () => {
    expect(await session.client.checkNumber('4915122222222')).toBeTypeOf('string')
    expect(await session.client.checkNumber('4915199999999')).toBeUndefined()
  })

  it('says why a message certainly did not go out', async () => {
    const before = (await simulator.whatsapp.wire()).length
    const failure = async (to: string, content: Content, more = {}) => {
      const outcome = await session.client.send(outgoing(to, content, more))
      return outcome.outcome === 'failed' ? outcome.reason : outcome
    }
    const broken = { base64: Buffer.from('no picture').toString('base64'), mimetype: 'image/png' }
    const gone = mediaContent('image', { sha256: 'ab'.repeat(32), mimetype: 'image/png', size: 1 })
    expect(await failure('4915199999999@c.us', text('hi'))).toBe('not_on_whatsapp')
    expect(await failure('120363000000000000@g.us', text('hi'))).toBe('chat_not_found')
    expect(await failure(ben.id, text('hi'), { replyTo: '3EB0FFFFFFFFFFFFFFFFFF' })).toBe('quoted_message_not_found')
    expect(await failure(ben.id, await file('image', broken))).toBe('media_rejected')
    expect(await failure(ben.id, gone)).toBe('media_missing')
    const nothing = { type: 'reaction', reaction: { waMessageId: '3EB0FFFFFFFFFFFFFFFFFF', emoji: '👍' } } as const
    expect(await failure(ben.id, nothing)).toBe('reaction_target_not_found')
    expect(await simulator.whatsapp.wire()).toHaveLength(before)
  })

  it('hears of a refusal by WhatsApp, and of a message that nobody acknowledges it finds a trace', async () => {
    await anna.fault({ op: 'send', mode: 'refuse' })
    const refused = outgoing(ben.id, text('refused'))
    expect(await session.client.send(refused)).toEqual({ outcome: 'dispatched' })
    const ack = await session.next('ack', ({ waMessageId }) => waMessageId === refused.waMessageId)
    expect(ack).toMatchObject({ chatId: ben.id, status: 'failed', reason: 'rejected_by_whatsapp' })
    expect(await session.client.findTrace(refused)).toMatchObject({ found: true, status: 'failed' })

    await anna.fault({ op: 'send', mode: 'noAck' })
    const silent = outgoing(ben.id, text('silent'))
    expect(await session.client.send(silent)).toEqual({ outcome: 'dispatched' })
    expect(await session.client.findTrace(silent)).toMatchObject({ found: true, status: 'pending' })

    const sent = await send(text('sent'))
    await session.next('ack', ({ waMessageId, status }) => waMessageId === sent.waMessageId && status === 'delivered')
    expect(await session.client.findTrace(sent)).toMatchObject({ found: true, status: 'delivered' })
    expect(await session.client.findTrace(outgoing(ben.id, text('never')))).toMatchObject({ found: false })
  })
})

function sha256(base64: string): string {
  return createHash('sha256').update(Buffer.from(base64, 'base64')).digest('hex')
}
