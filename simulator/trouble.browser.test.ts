import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import wweb, { type Message } from 'whatsapp-web.js'
import { PICTURE } from './fixtures.js'
import { linkedClient, type LinkedClient } from './library-client.js'
import { createSimulator, type Phone } from './simulator.js'

const picture = new wweb.MessageMedia(PICTURE.mimetype, PICTURE.base64)

describe('trouble that a linked device lives through', () => {
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
    await library.client.sendMessage(ben.id, 'so that the chat is open')
  })

  afterEach(() => simulator.whatsapp.clearFaults())

  afterAll(async () => {
    await library.end()
    await simulator.stop()
  })

  const send = (body: string, options = {}) => library.client.sendMessage(ben.id, body, options)
  const states = () => library.heard.filter(({ name }) => name === 'change_state').map(({ args }) => args[0])
  const wired = async () => (await simulator.whatsapp.wire()).map(({ waMessageId }) => waMessageId)

  it('shows a refusal as ack -1 only: the send itself resolves, even when it waits for the server', async () => {
    await anna.fault({ op: 'send', mode: 'refuse', count: 2 })
    const first = await send('refused')
    expect(first.ack).toBe(0)
    await library.ack(first.id.id, -1)
    const second = await send('refused too', { waitUntilMsgSent: true })
    expect(second.ack).toBe(-1)
    expect(await wired()).not.toContain(first.id.id)
  })

  it('leaves a message at ack 0 that WhatsApp has taken and never acknowledges', async () => {
    await anna.fault({ op: 'send', mode: 'noAck' })
    const sent = await send('no answer')
    await ben.receivedText('no answer')
    expect(await wired()).toContain(sent.id.id)
    expect((await anna.messages(ben.id)).at(-1)).toMatchObject({ id: sent.id.id, ack: 0 })
    // A later send is acknowledged meanwhile, so the missing ack is not just a slow one.
    const next = await send('answered')
    await library.ack(next.id.id, 1)
    expect((await library.client.getMessageById(sent.id._serialized)).ack).toBe(0)
  })

  it('hands over a message whose send hangs when the line has come back, and is late with one that is slow', async () => {
    await anna.fault({ op: 'send', mode: 'hang' })
    const lost = await send('lost')
    await anna.fault({ op: 'send', mode: 'slow', delayMs: 50 })
    const late = await send('late')
    await library.ack(late.id.id, 1)
    expect(await wired()).toContain(late.id.id)
    expect(await wired()).not.toContain(lost.id.id)
    await anna.dropLine()
    await anna.restoreLine()
    await library.ack(lost.id.id, 1)
  })

  it('fails, hangs or finds nothing where a fault is planned for a lookup or a new chat', async () => {
    await anna.fault({ op: 'lookup', mode: 'null' })
    expect(await library.client.getNumberId(ben.number)).toBeNull()
    await anna.fault({ op: 'lookup', mode: 'fail' })
    await expect(library.client.getNumberId(ben.number)).rejects.toThrow('failed lookup')
    await anna.fault({ op: 'chat', mode: 'null' })
    expect(await library.client.sendMessage('4915133333333@c.us', 'x')).toBeUndefined()
    expect(await library.client.getNumberId(ben.number)).not.toBeNull()
  })

  it('does not send media whose upload fails or brings nothing', async () => {
    await anna.fault({ op: 'upload', mode: 'fail' })
    await expect(library.client.sendMessage(ben.id, picture)).rejects.toThrow('media upload failed')
    await anna.fault({ op: 'upload', mode: 'null' })
    await expect(library.client.sendMessage(ben.id, picture)).rejects.toThrow('media entry was not created')
    await library.client.sendMessage(ben.id, picture, { caption: 'third time' })
    await ben.receivedText('third time')
  })

  it('gets media late, not at all, or with an error, where a fault is planned for the download', async () => {
    await ben.sendImage(anna.id, PICTURE, { caption: 'hard to get' })
    const message = await library.message('hard to get')
    await anna.fault({ op: 'download', mode: 'null' })
    expect(await message.downloadMedia()).toBeUndefined()
    await anna.fault({ op: 'download', mode: 'fail' })
    await expect(message.downloadMedia()).rejects.toThrow('media download failed')
    await anna.fault({ op: 'download', mode: 'slow', delayMs: 20 })
    expect((await message.downloadMedia()).data).toBe(PICTURE.base64)
  })

  it('hangs before a message is dispatched, or after it, as planned', async () => {
    await anna.fault({ op: 'seen', mode: 'hang' })
    void send('never dispatched').catch(() => undefined)
    await anna.fault({ op: 'store', mode: 'hang' })
    void send('dispatched').catch(() => undefined)
    await ben.receivedText('dispatched')
    expect((await ben.received()).map(({ body }) => body)).not.toContain('never dispatched')
  })

  it('queues sends to open chats while the line is down, and lets them out once, in order', async () => {
    const before = (await wired()).length
    const earlier = states().length
    await anna.dropLine()
    await library.event('change_state', () => states().length === earlier + 2)
    const first = await send('queued 1')
    const second = await send('queued 2')
    const toNewChat = library.client.sendMessage('4915133333333@c.us', 'queued 3')
    await ben.sendText(anna.id, 'while you were away')
    expect(await wired()).toHaveLength(before)
    await anna.restoreLine()
    await library.message('while you were away')
    await toNewChat
    await ben.receivedText('queued 2')
    await simulator.whatsapp.until(async () => (await wired()).length === before + 3)
    expect((await wired()).slice(before, before + 2)).toEqual([first.id.id, second.id.id])
    expect(states().slice(earlier)).toEqual(['TIMEOUT', 'OPENING', 'PAIRING', 'CONNECTED'])
    expect(library.names()).not.toContain('disconnected')
  })

  it('comes back by itself when its connection breaks, and repeats no message', async () => {
    const earlier = states().length
    await anna.cut()
    const sent = await send('over the broken line')
    await library.event('change_state', () => states().slice(earlier).includes('CONNECTED'))
    await library.ack(sent.id.id, 1)
    expect((await wired()).filter((id) => id === sent.id.id)).toHaveLength(1)
  })

  it('answers nothing while its page is busy', async () => {
    await anna.freeze(400)
    const before = Date.now()
    expect(await library.client.getState()).toBe('CONNECTED')
    expect(Date.now() - before).toBeGreaterThan(300)
  })

  it('delivers when the other phone comes on line', async () => {
    await ben.offline()
    const sent = await send('are you there?')
    await library.ack(sent.id.id, 1)
    expect(library.heard.some(({ args: [m, ack] }) => (m as Message)?.id?.id === sent.id.id && ack === 2)).toBe(false)
    await ben.online()
    await library.ack(sent.id.id, 2)
  })

  it('is authenticated and ready once more after a reload of the page', async () => {
    const before = library.count('ready')
    await anna.reload()
    await library.event('ready', () => library.count('ready') > before)
    await ben.sendText(anna.id, 'after the reload')
    await library.message('after the reload')
    expect(
      library.heard.filter(({ name, args }) => name === 'message' && (args[0] as Message).body === 'after the reload'),
    ).toHaveLength(1)
  })

  it('tells the library nothing when its renderer crashes; a reload brings it back', async () => {
    const page = library.client.pupPage
    const crashed = new Promise((resolve) => page?.once('error', resolve))
    await anna.crash()
    expect(String(await crashed)).toContain('crashed')
    expect(library.names()).not.toContain('disconnected')
    const before = library.count('ready')
    await page?.reload()
    await library.event('ready', () => library.count('ready') > before)
    await send('recovered')
    await ben.receivedText('recovered')
  })
})
