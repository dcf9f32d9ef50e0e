import { existsSync } from 'node:fs'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { LibraryClient, newProfile } from './library-client.js'
import { createSimulator, type Phone } from './simulator.js'

describe('starting a linked device again', () => {
  const simulator = createSimulator()
  let anna: Phone
  let ben: Phone
  let profile: Awaited<ReturnType<typeof newProfile>>
  let library: LibraryClient

  beforeAll(async () => {
    await simulator.start()
    anna = await simulator.whatsapp.phone('4915111111111', { name: 'Anna' })
    ben = await simulator.whatsapp.phone('4915122222222', { name: 'Ben' })
    profile = await newProfile()
    library = await start()
    await anna.scan(await library.qr())
    await library.event('ready')
  })

  /** Each test begins with a linked device that is off. */
  beforeEach(async () => {
    await library.close()
    await simulator.whatsapp.configure({ syncMode: 'normal', offlineDelivery: 'before' })
  })

  afterAll(async () => {
    await library.close()
    await simulator.stop()
    await profile.remove()
  })

  async function start(options = {}): Promise<LibraryClient> {
    library = new LibraryClient(simulator, profile.path, options)
    return library.open()
  }

  async function startReady(): Promise<void> {
    await start()
    await library.event('ready')
  }

  it('announces nothing that came while it was off, but knows it', async () => {
    await ben.sendText(anna.id, 'missed')
    await startReady()
    expect(await library.client.getChatById(ben.id)).toMatchObject({ unreadCount: 1, lastMessage: { body: 'missed' } })
    await ben.sendText(anna.id, 'live')
    await library.message('live')
    expect(library.count('message')).toBe(1)
  })

  it('announces what came while it was off, when it is set so', async () => {
    await simulator.whatsapp.configure({ offlineDelivery: 'after' })
    await ben.sendText(anna.id, 'missed 1')
    await ben.sendText(anna.id, 'missed 2')
    await start()
    await library.message('missed 2')
    expect(library.count('message')).toBe(2)
  })

  it('hands over once what was waiting when its browser was killed', async () => {
    await startReady()
    await library.client.sendMessage(ben.id, 'handed over')
    await ben.receivedText('handed over')
    await anna.dropLine()
    await library.client.sendMessage(ben.id, 'still waiting')
    await library.kill()
    await startReady()
    await ben.receivedText('still waiting')
    expect(await simulator.whatsapp.wire()).toHaveLength(2)
  })

  it('never becomes ready when it has synced before anyone listens, though it is connected', async () => {
    await simulator.whatsapp.configure({ syncMode: 'early' })
    await start()
    await library.client.pupPage?.waitForFunction(`require('WAWebSocketModel').Socket.hasSynced`)
    expect(await library.client.getState()).toBe('CONNECTED')
    expect(library.names()).not.toContain('ready')
  })

  it('says that it is ready before its listeners are there, when it syncs twice', async () => {
    await simulator.whatsapp.configure({ syncMode: 'premature' })
    let listens: boolean | undefined
    library = new LibraryClient(simulator, profile.path)
    library.client.once('ready', () => {
      void library.evaluate<boolean>(`typeof window.onPollVoteEvent === 'function'`).then((found) => (listens = found))
    })
    await library.open()
    await library.event('ready', () => library.count('ready') === 2)
    expect(listens).toBe(false)
  })

  it('loses its first injection when the page navigates under it, and comes up at the next start', async () => {
    await simulator.whatsapp.fault({ op: 'page', mode: 'navigate' })
    await expect(start()).rejects.toThrow('Execution context was destroyed')
    await library.close()
    await startReady()
  })

  it('rejects with the string auth timeout when the page breaks, and leaves the browser running', async () => {
    await simulator.whatsapp.fault({ op: 'page', mode: 'throw' })
    await expect(start({ authTimeoutMs: 500 })).rejects.toBe('auth timeout')
    expect(library.client.pupBrowser?.connected).toBe(true)
  })

  it('rejects when the page cannot be had', async () => {
    await simulator.whatsapp.fault({ op: 'page', mode: 'fail' })
    await expect(start()).rejects.toThrow('net::ERR_')
  })

  it('has the state TOS_BLOCK once banned, then and at each start', async () => {
    await startReady()
    await anna.ban()
    expect(await library.event('disconnected')).toEqual(['TOS_BLOCK'])
    await start()
    expect(await library.client.getState()).toBe('TOS_BLOCK')
    expect(library.names()).toEqual([])
    await anna.pardon()
  })

  it('refuses a chat with a number that was never looked up, when it is set so', async () => {
    const cleo = await simulator.whatsapp.phone('4915133333333')
    await simulator.whatsapp.configure({ lookupBeforeFirstSend: true })
    await startReady()
    await expect(library.client.sendMessage(cleo.id, 'x')).rejects.toThrow('No LID for user')
    await library.client.getNumberId(cleo.number)
    await library.client.sendMessage(cleo.id, 'after the lookup')
    await cleo.receivedText('after the lookup')
  })

  it('is unpaired by WhatsApp: the library closes the browser and leaves the profile', async () => {
    await startReady()
    await anna.unpair()
    expect(await library.event('disconnected')).toEqual(['UNPAIRED'])
    expect(existsSync(profile.path)).toBe(true)
    await start()
    expect(await library.qr()).toMatch(/^2@/)
  })

  it('shows a QR code when it was unlinked on the phone while it was off', async () => {
    await start()
    await anna.scan(await library.qr())
    await library.event('ready')
    await library.close()
    await anna.logout()
    await start()
    expect(await library.qr()).toMatch(/^2@/)
    expect(library.names()).not.toContain('authenticated')
  })
})
