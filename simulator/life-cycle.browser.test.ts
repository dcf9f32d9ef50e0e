import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import wweb, { type Message } from 'whatsapp-web.js'
import { LibraryClient, newProfile } from './library-client.js'
import { createSimulator, type Addressing, type KeyShape, type Phone } from './simulator.js'
import { PICTURE } from './fixtures.js'

const shapes: [KeyShape, Addressing][] = [
  ['_serialized', 'c.us'],
  ['$1', 'lid'],
]

describe.each(shapes)('a linked device with keys in %s and chats at %s', (keyShape, addressing) => {
  const simulator = createSimulator({ keyShape, addressing })
  let profile: Awaited<ReturnType<typeof newProfile>>
  let library: LibraryClient
  let anna: Phone
  let ben: Phone

  beforeAll(async () => {
    await simulator.start()
    anna = await simulator.whatsapp.phone('4915111111111', { name: 'Anna' })
    ben = await simulator.whatsapp.phone('4915122222222', { name: 'Ben' })
    profile = await newProfile()
    library = await new LibraryClient(simulator, profile.path).open()
  })

  afterAll(async () => {
    await library.close()
    await simulator.stop()
    await profile.remove()
  })

  it('shows a QR code and is ready after the scan', async () => {
    await anna.scan(await library.qr())
    await library.event('ready')
    expect(library.client.info.wid._serialized).toBe(anna.id)
    expect(await library.client.getState()).toBe('CONNECTED')
    expect(library.names().filter((name) => name === 'qr' || name === 'authenticated' || name === 'ready')).toEqual([
      'qr',
      'qr',
      'authenticated',
      'ready',
    ])
    expect(library.heard.filter(({ name }) => name === 'qr')[1]?.args[0]).toMatch(/^undefined,/)
  })

  it('sends text, whose acks follow as the other phone gets and reads it', async () => {
    const returned = await library.client.sendMessage(ben.id, 'hello Ben')
    expect(returned === undefined).toBe(keyShape === '$1')
    const got = await ben.receivedText('hello Ben')
    expect(got).toMatchObject({ from: anna.id, chat: anna.id, type: 'text', name: 'Anna' })
    await library.ack(got.id, 2)
    await ben.read(anna.id)
    await library.ack(got.id, 3)
    expect((await simulator.whatsapp.wire()).map(({ waMessageId }) => waMessageId)).toEqual([got.id])
  })

  it('receives text from its contact, addressed as the account is', async () => {
    await ben.sendText(anna.id, 'hi Anna')
    const message = await library.message('hi Anna')
    expect(message.from).toBe(addressing === 'lid' ? ben.lid : ben.id)
    expect(await library.client.getContactLidAndPhone([message.from])).toEqual([{ lid: ben.lid, pn: ben.id }])
  })

  it('carries media both ways, byte for byte', async () => {
    const picture = new wweb.MessageMedia(PICTURE.mimetype, PICTURE.base64, 'dot.png')
    await library.client.sendMessage(ben.id, picture, { caption: 'look' })
    const got = await ben.receivedText('look')
    expect((await simulator.whatsapp.media(got.media?.sha256 ?? '')).toString('base64')).toBe(PICTURE.base64)

    await ben.sendImage(anna.id, PICTURE, { caption: 'back' })
    const message = await library.message('back')
    expect(message.hasMedia).toBe(true)
    const key = message.id as unknown as Record<string, string>
    message.id._serialized = key[keyShape] ?? ''
    expect((await message.downloadMedia()).data).toBe(PICTURE.base64)
  })

  it('writes in groups, where members are addressed as chats are', async () => {
    const group = await ben.createGroup('Team', [anna.id])
    await ben.sendText(group.id, 'hi team')
    const message = await library.message('hi team')
    expect(message).toMatchObject({ from: group.id, author: addressing === 'lid' ? ben.lid : ben.id })
    await library.client.sendMessage(group.id, 'hello from me')
    const got = await ben.receivedText('hello from me')
    await ben.read(group.id)
    await library.ack(got.id, 3)
    const me = addressing === 'lid' ? anna.lid : anna.id
    const created = (await library.event('message_create', (own: Message) => own.id.id === got.id))[0] as Message
    const key = created.id as unknown as Record<string, string>
    expect(key[keyShape]).toBe(`true_${group.id}_${got.id}_${me}`)
  })

  it('comes up without a QR code when it is started again on its profile', async () => {
    await library.close()
    library = await new LibraryClient(simulator, profile.path).open()
    await library.event('ready')
    expect(library.names()).not.toContain('qr')
    await library.client.sendMessage(ben.id, 'here again')
    await ben.receivedText('here again')
  })

  it('is disconnected by a logout on the phone, and shows a QR code again', async () => {
    await anna.logout()
    expect(await library.event('disconnected')).toEqual(['LOGOUT'])
    await library.qr()
    expect((await anna.info()).devices).toBe(0)
  })
})
