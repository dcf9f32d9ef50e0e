import { chmod, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { createSimulator, type Phone } from '../../../simulator/simulator.js'
import { findChromium } from './chromium.js'
import { browserTree } from './process-tree.js'
import type { Timing } from './timing.js'
import { createHarness, outgoing, text, type Harness, type TestClient } from './wwebjs-harness.js'

const simulator = createSimulator()
let harness: Harness
let anna: Phone
let ben: Phone

beforeAll(() => simulator.start())
afterAll(() => simulator.stop())

async function prepare() {
  harness = await createHarness(simulator.chromiumArgs())
  anna = await simulator.whatsapp.phone('4915111111111', { name: 'Anna' })
  ben = await simulator.whatsapp.phone('4915122222222', { name: 'Ben' })
}

async function clean() {
  await harness.end()
  await anna.logout()
  await simulator.whatsapp.clearFaults()
  await simulator.whatsapp.configure({ syncMode: 'normal' })
}

async function linked(timing: Partial<Timing> = {}, from = harness): Promise<TestClient> {
  const session = from.client({}, timing)
  await session.client.start()
  await anna.scan((await session.next('qr')).qr)
  await session.next('connected')
  return session
}

const kinds = ({ told }: TestClient) => told.map(({ kind }) => kind)

describe('a session in trouble', () => {
  let session: TestClient

  beforeAll(async () => {
    await prepare()
    session = await linked({ sendMs: 1_000, answerMs: 500 })
  })
  afterAll(clean)

  it('does not start a second time', async () => {
    await expect(session.client.start()).rejects.toMatchObject({ code: 'conflict' })
  })

  it('takes a picture of the page and knows its memory', async () => {
    expect((await session.client.screenshot()).subarray(1, 4).toString()).toBe('PNG')
    const { memoryBytes = 0, processes = 0 } = (await session.client.usage?.()) ?? {}
    expect(memoryBytes).toBeGreaterThan(20 * 2 ** 20)
    expect(processes).toBeGreaterThan(1)
  })

  it('tells the line going down and coming back, and what was sent meanwhile goes out once', async () => {
    await session.client.send(outgoing(ben.id, text('before')))
    await anna.dropLine()
    await session.next('line', ({ up }) => !up)
    const waiting = outgoing(ben.id, text('during'))
    expect(await session.client.send(waiting)).toEqual({ outcome: 'dispatched' })
    expect(await session.client.findTrace(waiting)).toMatchObject({ found: true, status: 'pending' })
    expect(await session.client.probe()).toEqual({ alive: true })
    await anna.restoreLine()
    await session.next('line', ({ up }) => up)
    await ben.receivedText('during')
    await session.next('ack', ({ waMessageId }) => waMessageId === waiting.waMessageId)
    expect(kinds(session)).not.toContain('died')
  })

  it('fails what broke before it was handed over, and does not know what broke after', async () => {
    await anna.fault({ op: 'store', mode: 'fail' })
    const stored = outgoing(ben.id, text('stored'))
    // Which of the two is told first, the failure to store or WhatsApp's answer, is WhatsApp Web's affair.
    expect(['unknown', 'dispatched']).toContain((await session.client.send(stored)).outcome)
    expect(await session.client.findTrace(stored)).toMatchObject({ found: true })
    await ben.receivedText('stored')
    await simulator.whatsapp.fault({ op: 'chat', mode: 'fail' })
    const cleo = await simulator.whatsapp.phone('4915133333333', { name: 'Cleo' })
    const never = outgoing(cleo.id, text('never'))
    expect(await session.client.send(never)).toMatchObject({ outcome: 'failed', reason: 'send_failed' })
    expect(await session.client.findTrace(never)).toMatchObject({ found: false })
  })

  it('fails a file whose upload broke, and says that the file is not to blame', async () => {
    await simulator.whatsapp.fault({ op: 'upload', mode: 'fail' })
    const kept = await harness.media.put(Buffer.from('%PDF-1.4'), 'application/pdf')
    const document = { type: 'document', document: { ...kept, mimetype: 'application/pdf' } } as const
    const outcome = await session.client.send(outgoing(ben.id, document))
    expect(outcome).toMatchObject({ outcome: 'failed', reason: 'send_failed' })
  })

  it('calls off a send that takes too long: it does not go out later by itself', async () => {
    const dora = await simulator.whatsapp.phone('4915155555555', { name: 'Dora' })
    await simulator.whatsapp.fault({ op: 'chat', mode: 'slow', delayMs: 2_000 })
    const late = outgoing(dora.id, text('late'))
    expect(await session.client.send(late)).toMatchObject({ outcome: 'unknown', reason: 'no_answer' })
    expect(await session.client.findTrace(late)).toMatchObject({ found: false })
    expect(await session.client.send(late)).toEqual({ outcome: 'dispatched' })
    await dora.receivedText('late')
    await new Promise((resolve) => setTimeout(resolve, 1_200))
    expect((await simulator.whatsapp.wire()).filter((line) => line.waMessageId === late.waMessageId)).toHaveLength(1)
  })

  it('does not know what became of a message that was being stored when the page stopped answering', async () => {
    await anna.fault({ op: 'store', mode: 'hang' })
    const stored = outgoing(ben.id, text('stored or not'))
    expect(await session.client.send(stored)).toMatchObject({ outcome: 'unknown', reason: 'no_answer' })
    await ben.receivedText('stored or not')
    expect(await session.client.findTrace(stored)).toMatchObject({ found: true })
  })

  it('does not take a page for alive that says CONNECTED and does not answer', async () => {
    await anna.freeze(1_500)
    expect(await session.client.probe()).toMatchObject({ alive: false, reason: 'page_unresponsive' })
    await simulator.whatsapp.until(async () => (await session.client.probe()).alive)
  })

  it('is connected again after the page has loaded itself anew, and hears and sends', async () => {
    await anna.reload()
    await session.next('line', ({ up }) => !up)
    await simulator.whatsapp.until(async () => kinds(session).filter((kind) => kind === 'connected').length === 2)
    const message = outgoing(ben.id, text('after'))
    expect(await session.client.send(message)).toEqual({ outcome: 'dispatched' })
    await ben.message(({ id }) => id === message.waMessageId)
    await ben.sendText(anna.id, 'heard')
    await session.body('message_received')
    expect(session.bodies('message_received')).toHaveLength(1)
    expect(await session.client.probe()).toEqual({ alive: true })
  })
})

describe('a life that goes wrong', () => {
  beforeEach(prepare)
  afterEach(clean)

  it('leaves no process when it is stopped while it is being started', async () => {
    for (const delayMs of [0, 30, 150, 400]) {
      const session = harness.client()
      const starting = session.client.start().catch((thrown: unknown) => thrown)
      await new Promise((resolve) => setTimeout(resolve, delayMs))
      await session.client.stop()
      await starting
      expect(browserTree(harness.userDataDir)).toEqual([])
      // On a fast machine a QR code is there before the stop; a death that was asked for is none.
      expect(kinds(session)).not.toContain('died')
    }
  })

  it('says that no browser can be started when there is none', async () => {
    const other = await createHarness([], { chromiumPath: '/nowhere/chromium' })
    await expect(other.client().client.start()).rejects.toMatchObject({
      code: 'unavailable',
      reason: 'browser_missing',
    })
    await other.end()
  })

  it('says that the browser could not be started when it ends at once', async () => {
    const broken = await createHarness([], { chromiumPath: '/bin/false' })
    await expect(broken.client().client.start()).rejects.toMatchObject({ code: 'unavailable', reason: 'launch_failed' })
    await broken.end()
  })

  it('gives up a page that is linked and does not become ready', async () => {
    const first = await linked()
    await first.client.stop()
    await simulator.whatsapp.configure({ syncMode: 'never' })
    const session = harness.client({}, { stalledMs: 1_000, readyCheckMs: 200 })
    await session.client.start()
    expect(await session.next('died')).toMatchObject({ reason: 'ready_timeout' })
  })

  it('gives up a page that does not load, and leaves no process', async () => {
    await simulator.whatsapp.fault({ op: 'page', mode: 'hang' })
    const session = harness.client({}, { launchMs: 1_500 })
    await expect(session.client.start()).rejects.toMatchObject({ code: 'unavailable', reason: 'launch_failed' })
    expect(browserTree(harness.userDataDir)).toEqual([])
  })

  it('runs a wrapper script around the browser, knows the real one and ends both', async () => {
    const wrapper = join(harness.profileDir, '..', 'chromium.sh')
    await writeFile(wrapper, `#!/bin/sh\n${findChromium({})} --lang=de "$@"\nexit $?\n`)
    await chmod(wrapper, 0o755)
    const wrapped = await createHarness(simulator.chromiumArgs(), { chromiumPath: wrapper })
    const session = await linked({}, wrapped)
    const main = session.client.pid ?? 0
    expect((await readFile(`/proc/${main}/cmdline`, 'utf8')).startsWith('/bin/sh')).toBe(false)
    process.kill(main, 'SIGKILL')
    expect(await session.next('died')).toMatchObject({ reason: 'browser_crashed' })
    await wrapped.end()
    expect(browserTree(wrapped.userDataDir)).toEqual([])
  })

  it('runs the headless shell, too', async () => {
    const shell = await createHarness(simulator.chromiumArgs(), { headless: 'shell' })
    const session = await linked({}, shell)
    expect(await session.client.send(outgoing(ben.id, text('by the shell')))).toEqual({ outcome: 'dispatched' })
    await shell.end()
    expect(browserTree(shell.userDataDir)).toEqual([])
  })

  it('knows after a crash in the middle of many sends which went out: each reaches WhatsApp once', async () => {
    const first = await linked()
    const messages = Array.from({ length: 30 }, (_each, index) => outgoing(ben.id, text(`crash ${index}`)))
    const open: typeof messages = []
    for (const [index, message] of messages.entries()) {
      if (index === 12) process.kill(first.client.pid ?? 0, 'SIGKILL')
      const { outcome } = await first.client.send(message)
      if (outcome !== 'dispatched' || index >= 10) open.push(message)
    }
    await first.client.stop()
    const session = harness.client()
    await session.client.start()
    await session.next('connected')
    expect(open.length).toBeGreaterThan(10)
    for (const message of open) {
      const trace = await session.client.findTrace(message)
      if (!trace.found) expect(await session.client.send(message)).toEqual({ outcome: 'dispatched' })
    }
    await ben.receivedText('crash 29')
    const sent = (await simulator.whatsapp.wire()).map(({ waMessageId }) => waMessageId)
    const counts = messages.map(({ waMessageId }) => sent.filter((id) => id === waMessageId).length)
    expect(counts).toEqual(messages.map(() => 1))
  })
})
