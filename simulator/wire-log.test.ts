import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createFakePage, type FakePage } from './fake-page.js'
import { createSimulator, type Phone, type Simulator } from './simulator.js'
import { sha256 } from './ids.js'

describe('the wire log', () => {
  let folder: string
  let simulator: Simulator
  let page: FakePage
  let ben: Phone

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'simulator-'))
    simulator = createSimulator({ wireLog: join(folder, 'logs', 'wire.log') })
    await simulator.start()
    const anna = await simulator.whatsapp.phone('4915111111111')
    ben = await simulator.whatsapp.phone('4915122222222')
    page = await createFakePage(simulator)
    await anna.scan(page.ref)
    await page.heard('linked')
  })

  afterEach(async () => {
    page.close()
    await simulator.stop()
    await rm(folder, { recursive: true })
  })

  const send = (id: string, body: string) => page.ask('send', { id, chat: ben.id, type: 'text', body })

  it('has a line for each message that a device handed over, in the file too', async () => {
    await send('3EB01', 'hello')
    await ben.receivedText('hello')
    const line = { waMessageId: '3EB01', from: '4915111111111@c.us', chat: ben.id, sha256: sha256('hello') }
    expect(await simulator.whatsapp.wire()).toMatchObject([line])
    const written = (await readFile(join(folder, 'logs', 'wire.log'), 'utf8')).trim().split('\n')
    expect(written.map((each) => JSON.parse(each) as object)).toMatchObject([line])
  })

  it('has a second line for the same message handed over again, which its recipient gets once', async () => {
    await send('3EB01', 'hello')
    await send('3EB01', 'hello')
    await send('3EB02', 'last')
    await ben.receivedText('last')
    expect((await simulator.whatsapp.wire()).map(({ waMessageId }) => waMessageId)).toEqual(['3EB01', '3EB01', '3EB02'])
    expect((await ben.received()).map(({ id }) => id)).toEqual(['3EB01', '3EB02'])
  })

  it('has no line for a message that was refused, failed or lost', async () => {
    await simulator.whatsapp.fault({ op: 'send', mode: 'refuse' })
    expect(await send('3EB01', 'refused')).toMatchObject({ ack: -1 })
    await simulator.whatsapp.fault({ op: 'send', mode: 'fail' })
    await expect(send('3EB02', 'failed')).rejects.toThrow('failed this send')
    expect(await simulator.whatsapp.wire()).toEqual([])
  })

  it('has the line while WhatsApp is still about to acknowledge and to deliver', async () => {
    await simulator.whatsapp.configure({ serverAckDelayMs: 50 })
    const acknowledged = send('3EB01', 'soon')
    await simulator.whatsapp.until(async () => (await simulator.whatsapp.wire()).length === 1)
    expect(await ben.received()).toEqual([])
    expect(await acknowledged).toMatchObject({ ack: 1 })
    await ben.receivedText('soon')
  })
})
