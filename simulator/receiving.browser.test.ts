import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Call, GroupChat, GroupNotification, Message } from 'whatsapp-web.js'
import { PICTURE, VOICE } from './fixtures.js'
import { linkedClient, type LinkedClient } from './library-client.js'
import { createSimulator, type Draft, type Phone } from './simulator.js'

describe('what a linked device receives', () => {
  const simulator = createSimulator()
  let library: LinkedClient
  let anna: Phone
  let ben: Phone
  let cleo: Phone

  beforeAll(async () => {
    await simulator.start()
    anna = await simulator.whatsapp.phone('4915111111111', { name: 'Anna' })
    ben = await simulator.whatsapp.phone('4915122222222', { name: 'Ben' })
    cleo = await simulator.whatsapp.phone('4915133333333', { name: 'Cleo' })
    library = await linkedClient(simulator, anna)
  })

  afterAll(async () => {
    await library.end()
    await simulator.stop()
  })

  async function receive(draft: Draft): Promise<Message> {
    const { id } = await ben.send(anna.id, draft)
    return (await library.event('message', (message: Message) => message.id.id === id))[0] as Message
  }

  it('is told of text, in the order message_create, message, unread_count', async () => {
    const { id } = await ben.sendText(anna.id, 'hello @4915111111111', { mentions: [anna.number] })
    const message = await library.message('hello @4915111111111')
    expect(message).toMatchObject({ from: ben.id, to: anna.id, type: 'chat', fromMe: false, mentionedIds: [anna.id] })
    expect(message.rawData).toMatchObject({ from: ben.id, notifyName: 'Ben' })
    expect((await library.client.getContactById(message.from)).pushname).toBe('Ben')
    await library.event('unread_count')
    const first = library.heard.findIndex(({ args }) => (args[0] as Message | undefined)?.id?.id === id)
    expect(library.names().slice(first, first + 3)).toEqual(['message_create', 'message', 'unread_count'])
  })

  it('can download each kind of media', async () => {
    const kinds: [Draft, string][] = [
      [{ type: 'image', media: PICTURE, caption: 'a dot' }, 'image'],
      [{ type: 'video', media: { ...PICTURE, mimetype: 'video/mp4' } }, 'video'],
      [{ type: 'audio', media: VOICE }, 'audio'],
      [{ type: 'voice', media: { ...VOICE, seconds: 3 } }, 'ptt'],
      [{ type: 'document', media: { ...PICTURE, mimetype: 'application/pdf', filename: 'a.pdf' } }, 'document'],
      [{ type: 'sticker', media: { ...PICTURE, mimetype: 'image/webp' } }, 'sticker'],
    ]
    for (const [draft, type] of kinds) {
      const message = await receive(draft)
      expect(message).toMatchObject({ type, hasMedia: true })
      const media = await message.downloadMedia()
      expect(media.data).toBe((draft as { media: { base64: string } }).media.base64)
    }
  })

  it('gets no media that has expired', async () => {
    const message = await receive({
      type: 'image',
      media: { ...PICTURE, base64: Buffer.from('gone').toString('base64') },
    })
    const view = await ben.message(({ id }) => id === message.id.id)
    await simulator.whatsapp.expireMedia(view.media?.sha256 ?? '')
    expect(await message.downloadMedia()).toBeUndefined()
  })

  it('is told of locations, contacts and polls', async () => {
    const place = await receive({ type: 'location', latitude: 1.5, longitude: 2.5, name: 'Here' })
    expect(place.location).toMatchObject({ latitude: 1.5, longitude: 2.5, name: 'Here' })
    const card = await receive({ type: 'contacts', contacts: [{ name: 'Dora', number: '49151' }] })
    expect(card).toMatchObject({ type: 'vcard', vCards: [expect.stringContaining('FN:Dora')] })
    const cards = await receive({
      type: 'contacts',
      contacts: [
        { name: 'Dora', number: '49151' },
        { name: 'Emil', number: '49152' },
      ],
    })
    expect(cards.vCards).toHaveLength(2)
    const poll = await receive({ type: 'poll', question: 'Tea?', options: ['yes', 'no'] })
    expect(poll).toMatchObject({ type: 'poll_creation', pollName: 'Tea?', allowMultipleAnswers: false })
    await poll.vote(['yes'])
    await ben.message(({ id, votes }) => id === poll.id.id && votes[0]?.options[0] === 'yes')
  })

  it('is told of replies, edits, reactions and deletions', async () => {
    const sent = await library.client.sendMessage(ben.id, 'ping')
    const ping = await ben.receivedText('ping')
    const pong = await receive({ type: 'text', body: 'pong', quoted: ping.id })
    expect(pong.hasQuotedMsg).toBe(true)
    expect((await pong.getQuotedMessage()).id._serialized).toBe(sent.id._serialized)

    const own = await ben.message(({ id }) => id === pong.id.id)
    await ben.edit(own, 'pong!')
    const [edited, body, before] = (await library.event('message_edit')) as [Message, string, string]
    expect([edited.id.id, body, before]).toEqual([own.id, 'pong!', 'pong'])

    await ben.react(ping, '🎉')
    const [reaction] = (await library.event('message_reaction')) as [
      { reaction: string; senderId: string; msgId: { id: string } },
    ]
    expect(reaction).toMatchObject({ reaction: '🎉', senderId: ben.id, msgId: { id: ping.id } })
    expect(await (await library.client.getMessageById(sent.id._serialized)).getReactions()).toHaveLength(1)

    await ben.revoke(own)
    const [revoked] = (await library.event('message_revoke_everyone')) as [Message]
    expect(revoked).toMatchObject({ id: { id: own.id }, type: 'revoked' })
  })

  it('sees what is typed on the phone itself as its own message, with its acks', async () => {
    const { id } = await anna.sendText(ben.id, 'from the phone')
    await library.event('message_create', (message: Message) => message.id.id === id && message.fromMe)
    expect(library.heard.some(({ name, args }) => name === 'message' && (args[0] as Message).id.id === id)).toBe(false)
    await library.ack(id, 2)
  })

  it('is told of groups: who comes, who goes, what changes, what is written', async () => {
    const group = await ben.createGroup('Team', [anna.id])
    await ben.addToGroup(group.id, [cleo.id])
    const join = (await library.event('group_join'))[0] as GroupNotification
    expect(join).toMatchObject({ chatId: group.id, author: ben.id, recipientIds: [cleo.id] })

    await cleo.sendText(group.id, 'hi all')
    const message = await library.message('hi all')
    expect(message).toMatchObject({ from: group.id, author: cleo.id })
    expect(message.id._serialized).toMatch(new RegExp(`^false_${group.id}_3A\\w+_${cleo.id}$`))

    const chat = (await library.client.getChatById(group.id)) as GroupChat
    expect(chat).toMatchObject({ isGroup: true, name: 'Team' })
    expect(chat.participants.map(({ id, isAdmin }) => [id._serialized, isAdmin])).toEqual([
      [ben.id, true],
      [anna.id, false],
      [cleo.id, false],
    ])

    const sent = await library.client.sendMessage(group.id, 'hello team')
    expect((await cleo.receivedText('hello team')).chat).toBe(group.id)
    await library.ack(sent.id.id, 2)
    await ben.read(group.id)
    await cleo.read(group.id)
    await library.ack(sent.id.id, 3)

    await ben.updateGroup(group.id, { subject: 'Crew' })
    await library.event('group_update', (notice: GroupNotification) => notice.type === 'subject')
    await ben.promote(group.id, anna.id)
    await library.event('group_admin_changed')
    await cleo.leaveGroup(group.id)
    const leave = (await library.event('group_leave'))[0] as GroupNotification
    expect(leave).toMatchObject({ type: 'leave', author: cleo.id })
  })

  it('is told of calls and can reject them', async () => {
    await ben.call(anna.id, { video: true })
    const call = (await library.event('call'))[0] as Call
    expect(call).toMatchObject({ from: ben.id, isVideo: true })
    await call.reject()
    expect(await simulator.whatsapp.calls()).toMatchObject([{ status: 'rejected' }])
  })

  it('has only the last message of a chat in memory after a reload, and loads the others', async () => {
    const start = Date.now() - 60_000
    for (let index = 0; index < 30; index++) await cleo.sendText(anna.id, `old ${index}`, { at: start + index * 1000 })
    await library.message('old 29')
    await anna.reload()
    await library.event('ready', () => library.count('ready') === 2)
    const chat = (await library.client.getChats()).find(({ id }) => id._serialized === cleo.id)
    expect(chat).toMatchObject({ name: 'Cleo', isGroup: false, unreadCount: 30, lastMessage: { body: 'old 29' } })
    expect((await chat?.fetchMessages({}))?.map(({ body }) => body)).toEqual(['old 29'])
    const messages = (await chat?.fetchMessages({ limit: 25 })) ?? []
    expect(messages.map(({ body }) => body)).toEqual(Array.from({ length: 25 }, (_each, index) => `old ${index + 5}`))
  })

  it('knows which numbers are registered', async () => {
    expect(await library.client.getNumberId(ben.number)).toMatchObject({ _serialized: ben.id })
    expect(await library.client.isRegisteredUser('4915199999999@c.us')).toBe(false)
    await expect(library.client.sendMessage('4915199999999@c.us', 'x')).rejects.toThrow('No LID for user')
    expect(await library.client.sendMessage('120363000000000000@g.us', 'x')).toBeUndefined()
    expect(await library.client.getProfilePicUrl(ben.id)).toBeUndefined()
    expect(await library.client.getContactDeviceCount(anna.id)).toBe(2)
  })
})
