import { readFile } from 'node:fs/promises'
import { mkdtemp, rm } from 'node:fs/promises'
import { request } from 'node:http'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { PICTURE } from './fixtures.js'
import { createSimulator, SimulatorClient, type Phone, type Simulator } from './simulator.js'

describe('the control plane', () => {
  let simulator: Simulator
  let anna: Phone
  let ben: Phone

  beforeEach(async () => {
    simulator = createSimulator()
    await simulator.start()
    anna = await simulator.whatsapp.phone('+49 151 11111111', { name: 'Anna' })
    ben = await simulator.whatsapp.phone('4915122222222', { name: 'Ben' })
  })

  afterEach(() => simulator.stop())

  it('registers a number once, however it is written', async () => {
    expect(anna).toMatchObject({ number: '4915111111111', id: '4915111111111@c.us' })
    await simulator.whatsapp.phone('4915111111111', { name: 'Anna B' })
    const phones = await simulator.whatsapp.phones()
    expect(phones.map(({ number, name }) => [number, name])).toEqual([
      ['4915111111111', 'Anna B'],
      ['4915122222222', 'Ben'],
    ])
  })

  it('carries messages between phones, with quotes, reactions, edits and receipts', async () => {
    const question = await anna.sendText(ben.number, 'tea?')
    expect(question).toMatchObject({ chat: ben.id, fromMe: true, ack: 2 })
    const answer = await ben.sendText(anna.id, 'yes', { quoted: question.id })
    expect(answer.quoted).toEqual({ id: question.id, from: anna.id, type: 'text', body: 'tea?' })
    await ben.react({ chat: anna.id, id: question.id }, '👍')
    await anna.edit(question, 'coffee?')
    await ben.read(anna.id)
    expect(await anna.message(({ id }) => id === question.id)).toMatchObject({
      body: 'coffee?',
      ack: 3,
      reactions: [{ from: ben.id, emoji: '👍' }],
    })
    await anna.revoke(question)
    const revoked = (await ben.received())[0]
    expect(revoked?.revokedAt).toBeDefined()
    expect(revoked?.body).toBeUndefined()
  })

  it('acknowledges by hand where a phone is set so', async () => {
    await ben.receipts('manual')
    const sent = await anna.send(ben.id, { type: 'voice', media: { ...PICTURE, mimetype: 'audio/ogg' } })
    const ack = async () => (await anna.messages()).find(({ id }) => id === sent.id)?.ack
    expect(await ack()).toBe(1)
    const got = { chat: anna.id, id: sent.id }
    await ben.deliver(got)
    expect(await ack()).toBe(2)
    await ben.play(got)
    expect(await ack()).toBe(4)
    await ben.read(anna.id)
    expect(await ack()).toBe(4)
  })

  it('delivers to a phone that was off once it is on', async () => {
    await ben.offline()
    const sent = await anna.sendText(ben.id, 'hello')
    expect(sent.ack).toBe(1)
    await ben.online()
    expect((await anna.messages())[0]?.ack).toBe(2)
  })

  it('tells the members of a group what changes, and the one who goes too', async () => {
    const cleo = await simulator.whatsapp.phone('4915133333333')
    const group = await anna.createGroup('Team', [ben.id])
    await anna.addToGroup(group.id, [cleo.id])
    await anna.sendText(group.id, 'hi all')
    await anna.removeFromGroup(group.id, [cleo.id])
    await anna.sendText(group.id, 'without Cleo')
    const seen = (await cleo.messages(group.id)).map(({ notice, body }) => notice?.kind ?? body)
    expect(seen).toEqual(['add', 'hi all', 'remove'])
  })

  it('refuses in a sentence what makes no sense', async () => {
    await expect(anna.scan('2@nothing,a,b,c,1')).rejects.toThrow('No page shows this QR code any more')
    await expect(anna.sendText('4999', 'x')).rejects.toThrow('No phone has the number 4999: make it with phone()')
    await expect(anna.crash()).rejects.toThrow('No linked device of 4915111111111 has its page open')
    await expect(simulator.whatsapp.do('nothing')).rejects.toThrow('The simulator has no POST /nothing')
    await expect(simulator.whatsapp.fault({ op: 'seen', mode: 'hang' })).rejects.toThrow('needs the number')
    await expect(anna.fault({ op: 'page', mode: 'hang' })).rejects.toThrow('plan it without a number')
  })

  it('wakes who waits as soon as something happens', async () => {
    const waiting = ben.receivedText('now')
    await anna.sendText(ben.id, 'now')
    expect((await waiting).body).toBe('now')
    await expect(ben.receivedText('never', 20)).rejects.toThrow('did not see a message of 4915122222222 within 20 ms')
  })

  it('takes no order from a form or a page of another origin', async () => {
    const response = await fetch(`${simulator.address}/phones`, { method: 'POST', body: '{}' })
    expect(response.status).toBe(404)
  })

  it('answers only under its address on loopback, whatever name leads to it', async () => {
    const { port } = new URL(simulator.address)
    const asked = request({ host: '127.0.0.1', port, path: '/', headers: { host: 'phones.example' } })
    asked.end()
    const [response] = (await once(asked, 'response')) as [{ statusCode: number }]
    expect(response.statusCode).toBe(403)
  })

  it('is a proxy to the simulated WhatsApp and to nothing else', async () => {
    const { port } = new URL(simulator.address)
    const status = async (path: string) => {
      const asked = request({ host: '127.0.0.1', port, method: 'CONNECT', path })
      asked.end()
      const [response, socket] = (await once(asked, 'connect')) as [{ statusCode: number }, { destroy(): void }]
      socket.destroy()
      return response.statusCode
    }
    expect(await status('web.whatsapp.com:443')).toBe(200)
    expect(await status('example.com:443')).toBe(403)
    expect(simulator.chromiumArgsLine().split(' ')).toHaveLength(2)
  })
})

describe('the simulator as a process of its own', () => {
  it('says where it is in one line, writes its wire log to the file, and ends on SIGTERM', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'simulator-'))
    const wireLog = join(folder, 'wire.log')
    const main = new URL('./main.ts', import.meta.url).pathname
    const child = spawn(process.execPath, [
      '--import',
      'tsx',
      main,
      `--wire-log=${wireLog}`,
      '--settings={"keyShape":"$1"}',
    ])
    const [line] = (await once(createInterface(child.stdout), 'line')) as [string]
    const told = JSON.parse(line) as { control: string; pid: number; chromiumArgs: string[] }
    expect(told.pid).toBe(child.pid)
    expect(told.chromiumArgs[0]).toMatch(/^--host-resolver-rules=MAP web\.whatsapp\.com 127\.0\.0\.1:\d+$/)
    const whatsapp = new SimulatorClient(told.control)
    expect(await whatsapp.configure({})).toMatchObject({ keyShape: '$1' })
    expect(await readFile(wireLog, 'utf8').catch(() => 'none yet')).toBe('none yet')
    const ended = once(child, 'exit')
    child.kill('SIGTERM')
    expect((await ended)[0]).toBe(0)
    await rm(folder, { recursive: true })
  })
})
