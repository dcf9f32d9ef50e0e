import { existsSync } from 'node:fs'
import { lstat, mkdir, readlink, symlink } from 'node:fs/promises'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { createSimulator, type Phone } from '../../../simulator/simulator.js'
import { browserTree, mainProcess } from './process-tree.js'
import type { Timing } from './timing.js'
import { createHarness, outgoing, text, type Harness, type TestClient } from './wwebjs-harness.js'

const simulator = createSimulator({ keyShape: '$1', addressing: 'lid' })
let harness: Harness
let anna: Phone
let ben: Phone

beforeAll(() => simulator.start())
afterAll(() => simulator.stop())

beforeEach(async () => {
  harness = await createHarness(simulator.chromiumArgs())
  anna = await simulator.whatsapp.phone('4915111111111', { name: 'Anna' })
  ben = await simulator.whatsapp.phone('4915122222222', { name: 'Ben' })
})
afterEach(async () => {
  await harness.end()
  await anna.logout()
  await simulator.whatsapp.clearFaults()
  await simulator.whatsapp.configure({
    syncMode: 'normal',
    qrRotationMs: 20_000,
    qrCodes: 6,
    offlineDelivery: 'before',
  })
})

async function linked(): Promise<TestClient> {
  const session = harness.client()
  await session.client.start()
  await anna.scan((await session.next('qr')).qr)
  await session.next('connected')
  return session
}

async function relaunched(timing: Partial<Timing> = {}): Promise<TestClient> {
  const session = harness.client({}, timing)
  await session.client.start()
  await session.next('connected')
  expect(session.told.map(({ kind }) => kind)).not.toContain('qr')
  return session
}

const kinds = ({ told }: TestClient) => told.map(({ kind }) => kind)

describe('linking', () => {
  it('shows a QR code with its end, tells the scan once and is connected', async () => {
    const session = harness.client()
    await session.client.start()
    const { qr, expiresAt } = await session.next('qr')
    expect(expiresAt - Date.now()).toBeGreaterThan(50_000)
    await anna.scan(qr)
    await session.next('connected')
    expect(kinds(session)).toEqual(['qr', 'authenticated', 'connected'])
  })

  it('links by a pairing code', async () => {
    const session = harness.client()
    await session.client.start()
    await session.next('qr')
    const code = await session.client.requestPairingCode('4915111111111')
    expect(code).toMatch(/^[0-9A-Z]{8}$/)
    await anna.linkWithCode(code)
    expect(await session.next('connected')).toMatchObject({ phone: '4915111111111' })
  })

  it('ends when nobody scans six codes', async () => {
    await simulator.whatsapp.configure({ qrRotationMs: 100, qrCodes: 3 })
    const session = harness.client()
    await session.client.start()
    await session.next('qr_expired')
    expect(kinds(session)).toEqual([...Array<string>(6).fill('qr'), 'qr_expired'])
  })

  it('is connected though "synced" was said before anybody listened', async () => {
    const first = await linked()
    await first.client.stop()
    await simulator.whatsapp.configure({ syncMode: 'early' })
    const session = await relaunched({ readyCheckMs: 300 })
    await session.client.send(outgoing(ben.id, text('early')))
    await ben.receivedText('early')
  })

  it('is not connected before it hears messages', async () => {
    await simulator.whatsapp.configure({ syncMode: 'premature' })
    const session = await linked()
    await ben.sendText(anna.id, 'heard')
    await session.body('message_received')
    expect(kinds(session).filter((kind) => kind === 'connected')).toHaveLength(1)
  })

  it('begins again when the page is left while the library puts itself in', async () => {
    await simulator.whatsapp.fault({ op: 'page', mode: 'navigate' })
    await linked()
  })
})

describe('the end of a life', () => {
  it('comes back without a QR code, and looks back at what it missed', async () => {
    const first = await linked()
    const mine = outgoing(ben.id, text('mine'))
    await first.client.send(mine)
    await ben.message(({ id }) => id === mine.waMessageId)
    await first.client.send(
      outgoing(ben.id, { type: 'reaction', reaction: { waMessageId: mine.waMessageId, emoji: '✅' } }),
    )
    await first.client.stop()
    await first.client.stop()
    expect(browserTree(harness.userDataDir)).toEqual([])

    const missed = await ben.sendText(anna.id, 'missed')
    const typed = await anna.sendText(ben.id, 'typed meanwhile')
    await ben.read(anna.id)
    await ben.react({ chat: anna.id, id: mine.waMessageId }, '👍')
    const session = harness.client({ isOurs: (id) => id === mine.waMessageId })
    await session.client.start()
    await session.next('connected')
    await session.client.lookBack(Date.now())
    const told = session.bodies('message_received').map(({ waMessageId, origin }) => [waMessageId, origin])
    expect(told).toContainEqual([missed.id, 'contact'])
    expect(told).toContainEqual([typed.id, 'phone'])
    expect(told.filter(([id]) => id === mine.waMessageId)).toEqual([])
    const reactions = session.bodies('message_reaction').map(({ from, emoji }) => [from, emoji])
    expect(reactions).toEqual([[ben.id, '👍']])
    await session.next('ack', ({ waMessageId, status }) => waMessageId === mine.waMessageId && status === 'read')
    expect(kinds(session)).not.toContain('qr')
  })

  it('is a logout when the phone unlinks it', async () => {
    const session = await linked()
    await anna.logout()
    expect(await session.next('logged_out')).toEqual({ kind: 'logged_out', reason: 'logged_out_by_phone' })
    await session.client.stop()
    expect(kinds(session).filter((kind) => kind === 'qr')).toHaveLength(1)
    expect(existsSync(harness.userDataDir)).toBe(true)
  })

  it('is a logout when the phone unlinked it while it was away', async () => {
    const first = await linked()
    await first.client.stop()
    await anna.logout()
    const session = harness.client({}, { confirmUnlinkedMs: 300 })
    await session.client.start()
    expect(await session.next('logged_out')).toMatchObject({ reason: 'logged_out_by_phone' })
    expect(kinds(session)).toEqual(['logged_out'])
  })

  it('can be asked for: the phone no longer lists the device', async () => {
    const session = await linked()
    await session.client.logout()
    expect((await anna.info()).devices).toBe(0)
    await session.client.stop()
    expect(kinds(session)).not.toContain('logged_out')
  })

  it('is told once when the browser is killed, and the profile comes back', async () => {
    const session = await linked()
    process.kill(session.client.pid ?? 0, 'SIGKILL')
    expect(await session.next('died')).toMatchObject({ reason: 'browser_crashed' })
    expect(await session.client.probe()).toMatchObject({ alive: false, reason: 'browser_crashed' })
    await session.client.stop()
    expect(kinds(session).filter((kind) => kind === 'died')).toHaveLength(1)
    await relaunched()
  })

  it('is told when the page crashes', async () => {
    const session = await linked()
    await anna.crash()
    expect(await session.next('died')).toMatchObject({ reason: 'page_crashed' })
  })

  it.each([
    ['conflict', (phone: Phone) => phone.conflict()],
    ['banned', (phone: Phone) => phone.ban()],
  ] as const)('is blocked (%s) and the browser stays until it is stopped', async (reason, happen) => {
    const session = await linked()
    await happen(anna)
    expect(await session.next('blocked')).toMatchObject({ reason })
    await anna.pardon()
    expect(session.client.pid).toBeDefined()
    await session.client.stop()
    expect(browserTree(harness.userDataDir)).toEqual([])
  })
})

describe('the lock of a profile', () => {
  const lock = () => join(harness.userDataDir, 'SingletonLock')

  it('is left to Chromium when its owner of this host is dead', async () => {
    await mkdir(harness.userDataDir, { recursive: true })
    await symlink(`${hostname()}-999999`, lock())
    await linked()
  })

  it('is removed when another host name holds it', async () => {
    await mkdir(harness.userDataDir, { recursive: true })
    await symlink('old-container-1', lock())
    await linked()
  })

  it('of a browser that was left over is taken after that browser has been ended', async () => {
    const first = await linked()
    const orphan = first.client.pid
    expect(mainProcess(harness.userDataDir)).toBe(orphan)
    expect((await readlink(lock())).endsWith(`-${orphan}`)).toBe(true)
    await relaunched()
    expect(mainProcess(harness.userDataDir)).not.toBe(orphan)
    expect((await lstat(lock())).isSymbolicLink()).toBe(true)
  })
})
