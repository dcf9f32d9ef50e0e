import { createHash } from 'node:crypto'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { OutgoingMessage, SessionId } from '../proto/contract.js'
import type { ShownMessage } from '../test/fake-telegram.js'
import { readQr } from '../test/qr.js'
import { becomes, CONTACT, PHONE, startTestBot, type TestBot } from '../test/test-bot.js'
import { until } from '../test/until.js'
import { endedImage } from './qr/qr-images.js'

const png = endedImage()
const sha256 = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex')

const bytesOf = ({ file }: ShownMessage) => file?.bytes ?? Buffer.alloc(0)

describe('the bot', () => {
  let all: TestBot

  beforeEach(async () => {
    all = await startTestBot()
  })
  afterEach(() => all.stop())

  /** What the bot handed to the node. */
  const queued = async (matches: (message: OutgoingMessage) => boolean = () => true) => {
    const { body } = await all.node.event(({ body: it }) => it.kind === 'message_queued' && matches(it.message))
    if (body.kind !== 'message_queued') throw new Error('That is no such event')
    return body.message
  }
  const countQueued = async () => (await all.node.events()).filter(({ body }) => body.kind === 'message_queued').length
  const idOf = async (name: string) => {
    const { sessions } = await all.node.client.call('ListSessions', {})
    return sessions.find((session) => session.name === name)?.sessionId as SessionId
  }

  describe('/new', () => {
    it('shows the QR code as a photo that becomes "linked as" in place', async () => {
      const { operator, chat } = all
      await all.startBot()
      operator.says('/new shop sandbox')
      const begun = await chat.next('shop is being started')
      expect(begun.html).toMatch(/href="http:\/\/127\.0\.0\.1:\d+\/link\//)
      const photo = await chat.next('Scan to link shop')
      expect(readQr(bytesOf(photo))).toBeTruthy()
      expect(photo.text).toMatch(/good for \d+ s/)
      await all.drive(await idOf('shop'), { pair: { phone: PHONE } })
      const linked = await chat.next(`shop is linked as +${PHONE}`)
      expect(linked.id).toBe(photo.id)
      expect(() => readQr(bytesOf(linked))).toThrow('no QR code')
    })

    it('starts a session that was made and never started', async () => {
      await all.rest.post('/sessions', { name: 'default', engine: 'sandbox', start: false })
      await all.startBot()
      all.operator.says('/new default')
      await all.chat.next('Scan to link default')
    })

    it('offers what can be done when the name is taken', async () => {
      await all.connected('shop')
      await all.startBot()
      all.operator.says('/new shop')
      const answer = await all.chat.next('shop exists already')
      expect(answer.buttons.map(({ text }) => text)).toContain('🔄 Restart')
    })
  })

  it('pairs by code', async () => {
    await all.startBot()
    all.operator.says('/new shop sandbox')
    await all.chat.next('Scan to link shop')
    all.operator.says('/pair shop +49 151 1111 1111')
    const told = await all.chat.next('Pairing code for shop')
    expect(told.text).toMatch(/[A-Z0-9]{4}-[A-Z0-9]{4}/)
    await all.drive(await idOf('shop'), { pair: { phone: PHONE } })
    const linked = await all.chat.next((message) => message.id === told.id && message.text.includes('is linked as'))
    expect(linked.text).toContain(PHONE)
  })

  it('stops, starts, logs out and deletes a session, the last two when confirmed', async () => {
    const { operator, chat, node } = all
    const id = await all.connected('shop')
    await all.startBot()
    operator.says('/stop shop')
    await chat.next('shop is stopped')
    operator.says('/status shop')
    await operator.taps('Start')
    await chat.next('shop is starting')
    await node.event((event) => event.sessionId === id && becomes(event, 'stopped'))
    operator.says('/logout shop')
    await chat.next('Unlink the number of shop?')
    await operator.taps('Cancel')
    await chat.next('Nothing was done.')
    operator.says('/logout shop')
    await operator.taps('Log out')
    await chat.next('shop is logged out')
    operator.says('/delete shop')
    await operator.taps('Delete')
    await chat.next('shop is deleted')
    operator.says('/sessions')
    await chat.next('There is no session yet')
    expect(await idOf('shop')).toBeUndefined()
  })

  it('lists commands in /help and in the menu from one list', async () => {
    await all.startBot()
    all.operator.says('/help')
    const { text } = await all.chat.next('/send [name] <number> <text>')
    expect(all.telegram.commands.length).toBeGreaterThan(12)
    for (const { command } of all.telegram.commands) expect(text).toContain(`/${command}`)
  })

  describe('/send', () => {
    it('edits its answer as the message moves', async () => {
      const sessionId = await all.connected('shop')
      await all.startBot()
      all.operator.says('/send +49 152 2222 2222 Hello <world> & all')
      const answer = await all.chat.next('Delivered ✓✓')
      expect(answer.text).toContain(`shop → +${CONTACT}`)
      const message = await queued()
      expect(message).toMatchObject({
        origin: 'telegram',
        to: `${CONTACT}@c.us`,
        content: { text: { body: 'Hello <world> & all' } },
      })
      await all.drive(sessionId, { ack: { waMessageId: message.waMessageId, status: 'MESSAGE_STATUS_READ' } })
      const read = await all.chat.next('Read ✓✓')
      expect(read.id).toBe(answer.id)
    })

    it('asks which session is meant, and sends by the one that is tapped', async () => {
      await all.connected('one')
      const two = await all.connected('two')
      await all.startBot()
      all.operator.says(`/send +${CONTACT} Hello`)
      await all.operator.taps('two')
      await all.chat.next('two → +')
      const { sessionId } = await all.node.event(({ body }) => body.kind === 'message_queued')
      expect(sessionId).toBe(two)
    })

    it('sends a photo whose caption it is, and the rest of its album', async () => {
      await all.connected('shop')
      await all.startBot()
      const album = { extra: { media_group_id: 'album-1' } }
      all.operator.sendsPhoto(png, `/send shop +${CONTACT} Look`, album)
      const first = await queued()
      expect(first.content).toMatchObject({ type: 'image', image: { sha256: sha256(png), caption: 'Look' } })
      const other = Buffer.concat([png, Buffer.from('more')])
      all.operator.sendsPhoto(other, undefined, album)
      const second = await queued(({ content }) => content.type === 'image' && content.image.sha256 === sha256(other))
      expect(second.to).toBe(first.to)
    })

    it('says why it cannot', async () => {
      const id = await all.connected('shop')
      await all.startBot()
      const { operator, chat } = all
      operator.says('/send shop 12 Hello')
      await chat.next('neither an international phone number')
      operator.says(`/send nowhere +${CONTACT} Hello`)
      await chat.next('There is no session called nowhere')
      operator.sends('document', Buffer.alloc(21 * 2 ** 20), { caption: `/send shop +${CONTACT}` })
      await chat.next('The file is too large')
      await all.drive(id, { logout: {} })
      await all.node.event((event) => becomes(event, 'logged_out'))
      operator.says(`/send shop +${CONTACT} Hello`)
      await chat.next('shop takes no messages: it is logged_out')
      expect(await countQueued()).toBe(0)
    })
  })

  describe('/watch', () => {
    it('relays what comes in, and sends a reply back as a quoted reply', async () => {
      const id = await all.connected('shop')
      await all.startBot()
      all.operator.says('/watch shop')
      await all.chat.next('appears here from now on')
      const waMessageId = await all.receive(id, 'Is it <b>open</b>?')
      const relayed = await all.chat.next('Is it <b>open</b>?')
      expect(relayed.text).toContain('Ada <3')
      const answered = all.operator.repliesTo(relayed, 'Until six')
      expect(await queued()).toMatchObject({
        to: `${CONTACT}@c.us`,
        replyTo: waMessageId,
        content: { text: { body: 'Until six' } },
      })
      // What quotes the answer stands below it.
      const { waMessageId: answerId } = await queued()
      await all.receive(id, 'Thanks', { replyTo: answerId })
      const thanks = await all.chat.next('Thanks')
      expect(thanks.replyTo).toBe(answered)
    })

    it('relays files as what they are, and takes files as replies', async () => {
      const id = await all.connected('shop')
      const media = { sha256: sha256(png), mimetype: 'image/png', size: png.length }
      const chunks = async function* () {
        yield await Promise.resolve(png)
      }
      await all.node.client.uploadMedia(media, chunks())
      await all.startBot()
      all.operator.says('/watch shop')
      await all.chat.next('appears here')
      await all.receive(id, { type: 'image', image: { ...media, caption: 'Look & see' } })
      const photo = await all.chat.next('Look & see')
      expect(photo.method).toBe('sendPhoto')
      expect(photo.file?.bytes.equals(png)).toBe(true)
      await all.receive(id, { type: 'location', location: { latitude: 52.5, longitude: 13.4, name: 'Here' } })
      await all.chat.next(({ method }) => method === 'sendLocation')
      all.operator.sends('voice', Buffer.from('OggS'), { replyTo: photo })
      expect((await queued()).content).toMatchObject({ type: 'voice', voice: { size: 4 } })
    })

    it('relays nothing more after /unwatch', async () => {
      const id = await all.connected('shop')
      await all.startBot()
      all.operator.says('/watch shop')
      await all.chat.next('appears here')
      all.operator.says('/unwatch')
      await all.chat.next('is not watched here any more')
      await all.receive(id, 'Anybody?')
      all.operator.says(`/send +${CONTACT} later`)
      await all.chat.next('Delivered')
      expect(all.chat.messages().some(({ text }) => text.includes('Anybody?'))).toBe(false)
    })

    it('relays what came in while it was away, also files that only the gateway still has', async () => {
      const id = await all.connected('shop')
      const media = { sha256: sha256(png), mimetype: 'image/png', size: png.length }
      const upload = async function* () {
        yield await Promise.resolve(png)
      }
      await all.node.client.uploadMedia(media, upload())
      await all.startBot()
      all.operator.says('/watch shop')
      await all.chat.next('appears here')
      await all.receive(id, 'Before')
      await all.chat.next('Before')
      await all.stopBot()
      await all.receive(id, 'Meanwhile')
      await all.receive(id, { type: 'image', image: { ...media, caption: 'Gone from the node' } })
      await until('the gateway has the file', async () => {
        const { body } = await all.rest.get(`/messages?session=${id}&direction=in&type=image`)
        return body.data[0] && !body.data[0].image.pending
      })
      await rm(join(all.node.dataDir, 'node-media', media.sha256))
      await all.startBot()
      const photo = await all.chat.next('Gone from the node', 20_000)
      expect(photo.file?.bytes.equals(png)).toBe(true)
      const texts = all.chat.messages().map(({ text }) => text)
      expect(texts.filter((text) => text.includes('Before'))).toHaveLength(1)
      expect(texts.filter((text) => text.includes('Meanwhile'))).toHaveLength(1)
    })
  })

  describe('alerts', () => {
    const lost = { disconnect: { forMs: 600_000 } }

    it('tell of sessions that drop, together and once, and of their return', async () => {
      const one = await all.connected('one')
      const two = await all.connected('two')
      await all.startBot()
      all.operator.says('/start')
      await all.chat.next('This is Switchboard')
      await Promise.all([all.drive(one, lost), all.drive(two, lost)])
      const alert = await all.chat.next('🔴 one is disconnected')
      expect(alert.text).toContain('🔴 two is disconnected')
      await Promise.all([all.drive(one, { disconnect: { forMs: 0 } }), all.drive(two, { disconnect: { forMs: 0 } })])
      const back = await all.chat.next('🟢 one is back')
      expect(back.text).toContain('🟢 two is back')
      expect(all.chat.messages().filter(({ text }) => text.includes('🔴'))).toHaveLength(1)
    })

    it('offer a QR code for a session that was logged out', async () => {
      const id = await all.connected('shop')
      await all.startBot()
      all.operator.says('/start')
      await all.chat.next('This is Switchboard')
      await all.drive(id, { logout: {} })
      await all.chat.next('🔴 shop was logged out')
      await all.operator.taps('QR for shop')
      await all.chat.next('The QR code of shop comes here')
      // This sandbox pairs by itself.
      await all.chat.next('✅ shop is linked as')
      await all.chat.next('🟢 shop is back')
    })

    it('say nothing of what an operator asked for', async () => {
      await all.connected('shop')
      await all.startBot()
      all.operator.says('/logout shop')
      await all.operator.taps('Log out')
      await all.chat.next('shop is logged out')
      all.operator.says('/nodes')
      await all.chat.next('version')
      expect(all.chat.messages().some(({ text }) => text.includes('🔴 shop was'))).toBe(false)
    })
  })
})
