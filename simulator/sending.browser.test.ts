import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import wweb, { type Message, type MessageContent, type MessageSendOptions } from 'whatsapp-web.js'
import { PICTURE, VOICE } from './fixtures.js'
import { linkedClient, type LinkedClient } from './library-client.js'
import { createSimulator, type MessageView, type Phone } from './simulator.js'

const { Location, MessageMedia, Poll } = wweb

describe('what a linked device sends', () => {
  const simulator = createSimulator()
  let library: LinkedClient
  let anna: Phone
  let ben: Phone

  beforeAll(async () => {
    await simulator.start()
    anna = await simulator.whatsapp.phone('4915111111111', { name: 'Anna' })
    ben = await simulator.whatsapp.phone('4915122222222', { name: 'Ben' })
    await simulator.whatsapp.phone('4915133333333', { name: 'Cleo' })
    library = await linkedClient(simulator, anna)
  })

  afterAll(async () => {
    await library.end()
    await simulator.stop()
  })

  /** Sends to Ben and returns the message as the library and as Ben's phone have it. */
  async function send(content: MessageContent, options: MessageSendOptions = {}): Promise<[Message, MessageView]> {
    const sent = await library.client.sendMessage(ben.id, content, options)
    return [sent, await ben.message(({ id }) => id === sent.id.id)]
  }

  it('arrives as text with mentions, quoting what it answers', async () => {
    const question = await ben.sendText(anna.id, 'who?')
    const asked = await library.message('who?')
    const [sent, got] = await send('ask @4915133333333', {
      mentions: ['4915133333333@c.us'],
      quotedMessageId: asked.id._serialized,
    })
    expect(got).toMatchObject({ type: 'text', mentions: ['4915133333333@c.us'] })
    expect(got.quoted).toEqual({ id: question.id, from: ben.id, type: 'text', body: 'who?' })
    expect((await sent.getQuotedMessage()).body).toBe('who?')
  })

  it('arrives as an image with a caption, after media_uploaded and before its first ack', async () => {
    const [sent, got] = await send(new MessageMedia(PICTURE.mimetype, PICTURE.base64), { caption: 'a dot' })
    expect(got).toMatchObject({ type: 'image', body: 'a dot', media: { mimetype: 'image/png', size: 78 } })
    await library.ack(sent.id.id, 2)
    const mine = library.heard.filter(({ args }) => (args[0] as Message | undefined)?.id?.id === sent.id.id)
    expect(mine.map(({ name }) => name)).toEqual(['message_create', 'media_uploaded', 'message_ack', 'message_ack'])
  })

  it('arrives as video, audio, voice or document, by what the caller asks for', async () => {
    const video = new MessageMedia('video/mp4', Buffer.from('a film').toString('base64'), 'film.mp4')
    expect((await send(video, { caption: 'film' }))[1]).toMatchObject({ type: 'video', body: 'film' })

    const voice = new MessageMedia(VOICE.mimetype, VOICE.base64, 'note.ogg')
    expect((await send(voice))[1]).toMatchObject({ type: 'audio', media: { mimetype: VOICE.mimetype } })
    expect((await send(voice, { sendAudioAsVoice: true }))[1]).toMatchObject({ type: 'voice' })

    const sheet = new MessageMedia('application/pdf', Buffer.from('%PDF-1.4').toString('base64'), 'sheet.pdf')
    const [, document] = await send(sheet, { caption: 'the sheet' })
    expect(document).toMatchObject({ type: 'document', body: 'the sheet', media: { filename: 'sheet.pdf', size: 8 } })
    expect((await simulator.whatsapp.media(document.media?.sha256 ?? '')).toString()).toBe('%PDF-1.4')
  })

  it('arrives as a sticker in WebP, made from a picture', async () => {
    const [, got] = await send(new MessageMedia(PICTURE.mimetype, PICTURE.base64), { sendMediaAsSticker: true })
    expect(got).toMatchObject({ type: 'sticker', media: { mimetype: 'image/webp' } })
    const bytes = await simulator.whatsapp.media(got.media?.sha256 ?? '')
    expect(bytes.subarray(8, 12).toString()).toBe('WEBP')
  })

  it('arrives as a location', async () => {
    const [, got] = await send(new Location(52.5, 13.4, { name: 'Office', address: 'Main St 1' }))
    expect(got.location).toEqual({ latitude: 52.5, longitude: 13.4, name: 'Office', address: 'Main St 1' })
  })

  it('arrives as contacts, one or several, from contacts or from a vCard', async () => {
    const contact = await library.client.getContactById('4915133333333@c.us')
    expect((await send(contact))[1].contacts).toEqual([
      { name: 'Cleo', vcard: expect.stringContaining('waid=4915133333333') },
    ])
    const other = await library.client.getContactById(ben.id)
    expect((await send([contact, other]))[1].contacts?.map(({ name }) => name)).toEqual(['Cleo', 'Ben'])
    const card = 'BEGIN:VCARD\nVERSION:3.0\nFN:Dora\nTEL:+49151\nEND:VCARD'
    expect((await send(card))[1]).toMatchObject({ type: 'contacts', contacts: [{ name: 'Dora', vcard: card }] })
  })

  it('arrives as a poll, whose votes come back', async () => {
    const [sent, got] = await send(
      new Poll('Lunch?', ['yes', 'no'], { allowMultipleAnswers: true, messageSecret: undefined }),
    )
    expect(got.poll).toEqual({ question: 'Lunch?', options: ['yes', 'no'], multiple: true })
    await ben.vote(got, ['no'])
    const [vote] = (await library.event('vote_update')) as [{ voter: string; selectedOptions: { name: string }[] }]
    expect(vote).toMatchObject({ voter: ben.id, selectedOptions: [{ name: 'no' }] })
    const votes = await library.client.getPollVotes(sent.id._serialized)
    expect(votes.map(({ selectedOptions }) => selectedOptions.map(({ name }) => name))).toEqual([['no']])
  })

  it('can be edited, deleted for everyone and reacted to', async () => {
    const [sent, got] = await send('first')
    await library.ack(sent.id.id, 1)
    await sent.edit('second')
    await ben.message(({ id, body }) => id === got.id && body === 'second')
    await sent.delete(true)
    await ben.message(({ id, revokedAt }) => id === got.id && revokedAt !== undefined)

    const question = await ben.sendText(anna.id, 'good?')
    await (await library.message('good?')).react('👍')
    const liked = await ben.message(({ id, reactions }) => id === question.id && reactions.length > 0)
    expect(liked.reactions).toMatchObject([{ from: anna.id, emoji: '👍' }])
    await library.event('message_reaction')
  })

  it('carries the message id that is chosen where the message is dispatched', async () => {
    await library.evaluate(`(() => {
      const actions = window.require('WAWebSendMsgChatAction')
      const original = actions.addAndSendMsgToChat
      actions.addAndSendMsgToChat = function (chat, message) {
        const { chosenId, ...rest } = message
        if (!chosenId) return original.call(this, chat, message)
        const MsgKey = window.require('WAWebMsgKey')
        const participant = message.id.participant
        const id = new MsgKey({ from: message.from, to: message.to, id: chosenId, participant, selfDir: 'out' })
        return original.call(this, chat, { ...rest, id })
      }
    })()`)
    const id = '3EB0AABBCCDDEEFF001122'
    const returned = await library.client.sendMessage(ben.id, 'by my own id', { extra: { chosenId: id } })
    expect(returned).toBeUndefined()
    expect(await ben.receivedText('by my own id')).toMatchObject({ id })
    expect((await simulator.whatsapp.wire()).filter(({ waMessageId }) => waMessageId === id)).toHaveLength(1)
  })

  it('keeps its order when many are sent at once', async () => {
    const bodies = Array.from({ length: 50 }, (_each, index) => `burst ${index}`)
    await Promise.all(bodies.map((body) => library.client.sendMessage(ben.id, body)))
    await ben.receivedText('burst 49')
    const got = await ben.received(anna.id)
    expect(got.map(({ body }) => body).filter((body) => body?.startsWith('burst'))).toEqual(bodies)
  })

  it('shows typing, and reads what it has received', async () => {
    const chat = await library.client.getChatById(ben.id)
    await chat.sendStateTyping()
    await simulator.whatsapp.until(async () => (await anna.typing(ben.id)) === 'typing')
    const sent = await ben.sendText(anna.id, 'read me')
    await library.message('read me')
    expect(await library.client.sendSeen(ben.id)).toBe(true)
    await ben.message(({ id, ack }) => id === sent.id && ack === 3)
  })
})
