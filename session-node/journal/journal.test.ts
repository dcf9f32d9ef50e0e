import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { SessionId, TenantId } from '../../proto/contract.js'
import { silentLog } from '../../runtime/log.js'
import { anOutgoing } from '../testing.js'
import { EventLog } from './event-log.js'
import { Journal } from './journal.js'
import { Retention } from './retention.js'
import { Sends } from './sends.js'

const session = { id: 'ses_a' as SessionId, tenantId: 'ten_default' as TenantId }
const aCall = (callId: string) => ({ kind: 'call', callId, from: '49@c.us', video: false, group: false }) as const

describe('the journal', () => {
  let dataDir: string
  let journal: Journal
  let now = Date.UTC(2026, 0, 1)
  const clock = () => now

  beforeEach(async () => {
    dataDir = await mkdtemp(join(tmpdir(), 'switchboard-journal-'))
    journal = new Journal({ dataDir })
    await journal.start()
  })
  afterEach(async () => {
    await journal.stop()
    await rm(dataDir, { recursive: true, force: true })
  })

  async function reopen() {
    await journal.stop()
    journal = new Journal({ dataDir })
    await journal.start()
  }

  it('keeps the id, the epoch and all events over a restart', async () => {
    const before = new EventLog(journal, clock)
    await before.append(session, aCall('1'))
    const { epoch } = before.end()
    const id = journal.nodeId()
    await reopen()
    const after = new EventLog(journal, clock)
    expect(journal.nodeId()).toBe(id)
    expect(after.end()).toEqual({ epoch, position: 1 })
    expect(after.read(0, 10).events).toMatchObject([{ sessionId: 'ses_a', epoch, position: 1, body: aCall('1') }])
  })

  it('writes what has happened once the disk has room again, in its order, and refuses the rest at once', async () => {
    const log = new EventLog(journal, clock)
    await log.append(session, aCall('1'))
    const pages = journal.get<{ page_count: number }>('PRAGMA page_count')?.page_count ?? 0
    journal.get(`PRAGMA max_page_count = ${pages}`)
    const big = (callId: string) => ({ ...aCall(callId), from: callId.repeat(50_000) })
    const happened = ['2', '3'].map((id) => journal.record(() => log.insert(session, big(id))))
    const told = journal.record(() => log.insert(session, big('4')), { patient: false })
    await expect(told).rejects.toMatchObject({ code: 'storage_full' })
    await expect(log.append(session, big('5'))).rejects.toMatchObject({ code: 'storage_full' })
    journal.get('PRAGMA max_page_count = 1000000')
    await Promise.all(happened)
    await log.append(session, aCall('6'))
    const kept = log.read(0, 10).events.map(({ body }) => (body.kind === 'call' ? body.callId : body.kind))
    expect(kept).toEqual(['1', '2', '3', '4', '6'])
  })

  it('refuses a second node on the same directory with a sentence', async () => {
    const second = new Journal({ dataDir })
    await expect(second.start()).rejects.toMatchObject({
      code: 'conflict',
      reason: 'data_dir_in_use',
      message: expect.stringContaining('Another session node is running on') as string,
    })
  })

  it('refuses a node id that is not the one of the directory', async () => {
    const id = journal.nodeId()
    await journal.stop()
    journal = new Journal({ dataDir, nodeId: 'nod_other' })
    await expect(journal.start()).rejects.toThrow(`belongs to node ${id}, but NODE_ID is nod_other`)
  })

  it('commits what came together at once, and gives each writer its own error', async () => {
    const events = new EventLog(journal, clock)
    const results = await Promise.allSettled([
      events.append(session, aCall('1')),
      journal.write(() => {
        events.insert(session, aCall('2'))
        throw new Error('no')
      }),
      events.append(session, aCall('3')),
    ])
    expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled'])
    expect(events.read(0, 10).events.map(({ position, body }) => [position, body])).toEqual([
      [1, aCall('1')],
      [2, aCall('3')],
    ])
  })

  it('numbers events without gaps, and takes what WhatsApp tells twice once', async () => {
    const events = new EventLog(journal, clock)
    const reaction = (emoji: string) =>
      ({ kind: 'message_reaction', waMessageId: 'A', chatId: '49@c.us', from: '49@c.us', emoji }) as const
    const taken = []
    for (const body of [aCall('1'), aCall('1'), reaction('x'), reaction('x'), reaction(''), reaction('x')]) {
      taken.push(await events.append(session, body))
    }
    expect(taken).toEqual([true, false, true, false, true, true])
    expect(events.read(0, 10).events.map(({ position }) => position)).toEqual([1, 2, 3, 4])
  })

  it('trims acknowledged events after a day, never the others, and goes on counting', async () => {
    const events = new EventLog(journal, clock)
    for (const id of ['1', '2', '3']) await events.append(session, aCall(id))
    await events.acknowledge(2)
    const retention = new Retention(journal, clock, silentLog())
    now += 23 * 3_600_000
    await retention.trim()
    expect(events.read(0, 10).events).toHaveLength(3)
    now += 2 * 3_600_000
    await retention.trim()
    expect(events.read(0, 10).events.map(({ position }) => position)).toEqual([3])
    expect(events.startFor({ epoch: '', position: 0 }).position).toBe(2)
    await events.acknowledge(3)
    now += 25 * 3_600_000
    await retention.trim()
    await events.append(session, aCall('4'))
    expect(events.read(0, 10).events.map(({ position }) => position)).toEqual([4])
  })

  it('takes a message on once, and forgets what it said when it is done', async () => {
    const sends = new Sends(journal, clock)
    const message = anOutgoing()
    expect(await journal.write(() => sends.take(session, message))).toBe('taken')
    expect(await journal.write(() => sends.take(session, message))).toBe('known')
    expect(sends.queued(session.id, 10).map((send) => send.message)).toEqual([message])
    await journal.write(() => sends.settle(message.id, 'done', 'sent', undefined))
    await reopen()
    const after = new Sends(journal, clock)
    expect(await journal.write(() => after.take(session, message))).toBe('known')
    expect(journal.get('SELECT message FROM sends')).toEqual({ message: null })
  })

  it('gives a message that comes back to this node its time by the steady clock', async () => {
    // The wall clock was set back by a day.
    const sends = new Sends(journal, clock, () => now + 86_400_000)
    const message = anOutgoing({ lookFirst: true })
    await journal.write(() => {
      sends.take(session, message)
      sends.giveAway(message.id)
      sends.take(session, message)
    })
    expect(sends.find(message.id)?.expiresAt).toBe(now + 86_400_000 + message.expiresInMs)
  })
})
