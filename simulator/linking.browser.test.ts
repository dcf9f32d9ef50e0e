import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import jsqr from 'jsqr'
import { PNG } from 'pngjs'
import { LibraryClient, linkedClient, newProfile } from './library-client.js'
import { createSimulator, type Phone, type Simulator } from './simulator.js'

describe('linking', () => {
  let simulator: Simulator
  let anna: Phone
  let profile: Awaited<ReturnType<typeof newProfile>>
  let open: { close(): Promise<void> }[]

  beforeEach(async () => {
    simulator = createSimulator({ qrRotationMs: 600_000 })
    await simulator.start()
    anna = await simulator.whatsapp.phone('4915111111111', { name: 'Anna' })
    profile = await newProfile()
    open = []
  })

  afterEach(async () => {
    for (const library of open) await library.close()
    await simulator.stop()
    await profile.remove()
  })

  async function start(options = {}): Promise<LibraryClient> {
    const library = await new LibraryClient(simulator, profile.path, options).open()
    open.push(library)
    return library
  }

  it('draws the QR code, which a camera can read from a screenshot', async () => {
    const library = await start()
    const qr = await library.qr()
    await library.client.pupPage?.waitForSelector('canvas')
    const shot = PNG.sync.read(Buffer.from((await library.client.pupPage?.screenshot()) ?? []))
    const read = (jsqr as unknown as typeof jsqr.default)(new Uint8ClampedArray(shot.data), shot.width, shot.height)
    expect(read?.data).toBe(qr)
  })

  it('replaces the QR code and refuses an old one, until it goes idle after the last', async () => {
    await simulator.whatsapp.configure({ qrCodes: 2 })
    const library = await start()
    const first = await library.qr()
    await simulator.whatsapp.rotateQr()
    const [second] = (await library.event('qr', (qr: string) => qr !== first)) as [string]
    await expect(anna.scan(first)).rejects.toThrow('No page shows this QR code any more')
    await simulator.whatsapp.rotateQr()
    await library.client.pupPage?.waitForFunction(`require('WAWebSocketModel').Socket.state === 'UNPAIRED_IDLE'`)
    await expect(anna.scan(second)).rejects.toThrow('No page shows this QR code any more')

    // The library's own refresh fails at this point, because it names `window` in Node.
    await library.evaluate(`require('WAWebCmd').Cmd.refreshQR()`)
    const [third] = (await library.event('qr', (qr: string) => qr !== first && qr !== second)) as [string]
    await anna.scan(third)
    await library.event('ready')
  })

  it('links by a code that the phone with the right number types', async () => {
    const ben = await simulator.whatsapp.phone('4915122222222')
    const library = await start({ pairWithPhoneNumber: { phoneNumber: anna.number } })
    const [code] = (await library.event('code')) as [string]
    expect(code).toMatch(/^[1-9A-Z]{8}$/)
    await expect(ben.linkWithCode(code)).rejects.toThrow('No page waits for 4915122222222')
    await anna.linkWithCode(`${code.slice(0, 4)}-${code.slice(4)}`)
    await library.event('ready')
    expect(library.client.info.wid._serialized).toBe(anna.id)
  })

  it('unlinks the device on client.logout(), without a disconnected event', async () => {
    const library = await start()
    await anna.scan(await library.qr())
    await library.event('ready')
    await library.client.logout()
    expect((await anna.info()).devices).toBe(0)
    expect(library.names()).not.toContain('disconnected')
  })

  it('lets two linked numbers chat with each other', async () => {
    const ben = await simulator.whatsapp.phone('4915122222222', { name: 'Ben' })
    const [first, second] = [await linkedClient(simulator, anna), await linkedClient(simulator, ben)]
    open.push({ close: () => first.end() }, { close: () => second.end() })
    const sent = await first.client.sendMessage(ben.id, 'hello from a device')
    const got = await second.message('hello from a device')
    expect(got).toMatchObject({ from: anna.id, id: { id: sent.id.id } })
    await got.reply('and back')
    expect((await first.message('and back')).hasQuotedMsg).toBe(true)
    await second.client.sendSeen(anna.id)
    await first.ack(sent.id.id, 3)
  })

  it('tells the older page of a conflict when a second one shows the same device', async () => {
    const library = await start()
    await anna.scan(await library.qr())
    await library.event('ready')
    const page = await library.client.pupBrowser?.newPage()
    await page?.goto('https://web.whatsapp.com/')
    expect(await library.event('disconnected')).toEqual(['CONFLICT'])
  })

  it('takes its device back in a conflict, when the library is set so', async () => {
    const library = await start({ takeoverOnConflict: true, takeoverTimeoutMs: 0 })
    await anna.scan(await library.qr())
    await library.event('ready')
    await anna.conflict()
    await library.event('change_state', (state: string) => state === 'CONNECTED')
    expect(library.names()).not.toContain('disconnected')
    await anna.sendText(anna.id, 'still here')
    await library.event('message_create')
  })
})
