import { randomBytes } from 'node:crypto'
import { mkdir, symlink } from 'node:fs/promises'
import { join } from 'node:path'
import { expect } from 'vitest'
import { sleep } from '../../runtime/clock.js'
import { until } from '../until.js'
import type { Rig } from './rig.js'
import { full, longRow, row } from './row.js'
import { SmallDisk } from './small-disk.js'

const FULL_FOR_MS = full ? 10_000 : 1_000

/** The others find what is alike; `npm test` has no time for them. */

/** A disk below the rig's data, gone before that is removed. */
async function mountFor(rig: Rig, name: string): Promise<SmallDisk> {
  const disk = await SmallDisk.mount(join(rig.dataDir, name))
  rig.afterwards(() => Promise.resolve(disk.unmount()))
  return disk
}

/** Asks all the time, and once a second for everything else, while the disk is full. */
async function whileFull(disk: SmallDisk, look: () => Promise<void>): Promise<void> {
  disk.fill()
  const began = performance.now()
  while (performance.now() - began < FULL_FOR_MS) {
    await look()
    await sleep(200)
    // What was removed meanwhile must not make room.
    disk.fill()
  }
  await disk.free()
}

const counted = (answers: readonly (number | string)[]) => {
  const counts = new Map<number | string, number>()
  for (const answer of answers) counts.set(answer, (counts.get(answer) ?? 0) + 1)
  return [...counts].map(([answer, count]) => `${count} x ${answer}`).join(', ')
}

const picture = (bytes: number) =>
  new Blob([Buffer.from([0xff, 0xd8, 0xff, 0xe0, 0, 0x10, 0x4a, 0x46, 0x49, 0x46, 0, 1]), randomBytes(bytes)])

/** One message after the other, each a new one. */
function steadyLoad(rig: Rig) {
  const stopping = new AbortController()
  const load = { session: 'one', count: Number.POSITIVE_INFINITY, perSecond: 50, concurrency: 4 }
  const loading = rig.ledger.load({ ...load, rest: () => rig.rest(), signal: stopping.signal })
  return async () => {
    stopping.abort()
    await loading
  }
}

/** As soon as there is room, without a restart. */
async function goesOn(rig: Rig, pids: readonly number[]): Promise<number> {
  const began = performance.now()
  const before = rig.ledger.accepted.size
  await until('messages are accepted again', () => rig.ledger.accepted.size > before, { timeoutMs: 30_000 })
  const ms = Math.round(performance.now() - began)
  expect(rig.names().map((name) => rig.get(name).pid)).toEqual(pids)
  return ms
}

const pidsOf = (rig: Rig) => rig.names().map((name) => rig.get(name).pid)

row('F15', "the gateway's disk is full: database and uploads", async ({ rig: make }) => {
  let disk: SmallDisk | undefined
  const rig = await make({
    databaseUrl: (dataDir) => `sqlite:${join(dataDir, 'gateway-1', 'switchboard.sqlite')}`,
    prepare: async (made) => void (disk = await mountFor(made, 'gateway-1')),
  })
  if (!disk) throw new Error('There is no disk')
  await rig.sandboxSession('one')
  const pids = pidsOf(rig)
  const stop = steadyLoad(rig)
  await until('some are accepted', () => rig.ledger.accepted.size > 20)
  const uploads: number[] = []
  const others: number[] = []
  await whileFull(disk, async () => {
    uploads.push((await rig.rest().upload('/media', picture(300_000), 'picture.jpg')).status)
    others.push((await rig.rest().get('/messages?limit=1')).status, (await rig.rest().get('/sessions/one')).status)
    others.push((await fetch(`${rig.rest().url}/livez`)).status)
  })
  const againMs = await goesOn(rig, pids)
  await stop()
  await rig.settled()
  const refused = rig.ledger.refusals.map(({ status }) => status)
  expect(refused.length).toBeGreaterThan(0)
  expect([...refused, ...uploads].filter((status) => status !== 507 && status !== 503)).toEqual([])
  expect(others.filter((status) => status !== 200)).toEqual([])
  expect(rig.ledger.unanswered).toBe(0)
  expect((await rig.rest().upload('/media', picture(300_000), 'picture.jpg')).status).toBe(201)
  const [check] = await rig.database.rows<{ integrity_check: string }>('PRAGMA integrity_check')
  expect(check?.integrity_check).toBe('ok')
  return `messages: ${counted(refused)}; uploads: ${counted(uploads)}; reads 200; accepted again ${againMs} ms after there was room; ${rig.ledger.accepted.size} accepted and sent; integrity ok`
})

longRow('F15', "a session node's disk is full: journal and media", async ({ rig: make }) => {
  let disk: SmallDisk | undefined
  const rig = await make({
    prepare: async (made) => {
      disk = await mountFor(made, 'node-1')
      // What stands for WhatsApp has a disk of its own.
      await mkdir(join(made.dataDir, 'whatsapp'))
      await symlink(join(made.dataDir, 'whatsapp'), join(made.dataDir, 'node-1', 'sandbox'))
    },
  })
  if (!disk) throw new Error('There is no disk')
  await rig.sandboxSession('one', { ackDelayMs: 300 })
  const pids = pidsOf(rig)
  const stop = steadyLoad(rig)
  await until('some are accepted', () => rig.ledger.accepted.size > 20)
  const files: number[] = []
  const made: (number | string)[] = []
  const uploaded = await rig.rest().upload('/media', picture(300_000), 'picture.jpg')
  let asked = 0
  await whileFull(disk, async () => {
    const image = { to: '+4915112345678', type: 'image', image: { id: uploaded.body.id as string } }
    const { status, body } = await rig.rest().post('/sessions/one/messages', image)
    files.push(status)
    if (status === 202) rig.ledger.accepted.set(String(body.id), 'one')
    const session = { name: `new${asked++}`, engine: 'sandbox', sandbox: { phone: '+15550009999', autoPair: true } }
    made.push((await rig.rest().post('/sessions', session)).status)
  })
  rig.ledger.phones.add('15550009999')
  const againMs = await goesOn(rig, pids)
  await stop()
  await rig.settled()
  expect([...files, ...rig.ledger.answers.keys()].filter((status) => ![202, 503, 507].includes(status))).toEqual([])
  expect(made.filter((status) => status !== 507 && status !== 503)).toEqual([])
  await rig.sessionIs('one', 'connected')
  return `messages: ${counted([...rig.ledger.answers].flatMap(([status, count]) => Array<number>(count).fill(status)))}, new sessions: ${counted(made)}; went on ${againMs} ms after there was room; ${rig.ledger.accepted.size} accepted and sent`
})

longRow('F15', 'the disk that the logs are written to is full', async ({ rig: make }) => {
  let disk: SmallDisk | undefined
  const rig = await make({
    prepare: async (made) => void (disk = await mountFor(made, 'logs')),
    logTo: (name) => disk && join(disk.folder, `${name}.log`),
  })
  if (!disk) throw new Error('There is no disk')
  await rig.sandboxSession('one')
  const pids = pidsOf(rig)
  const stop = steadyLoad(rig)
  const before = rig.ledger.accepted.size
  await whileFull(disk, () => Promise.resolve())
  const meanwhile = rig.ledger.accepted.size - before
  const known = rig.lines().length
  await until('it is logged again', () => rig.lines().length > known)
  await goesOn(rig, pids)
  await stop()
  await rig.settled()
  // What was cut short stands on a line of its own, not before the next one.
  const glued = rig
    .output()
    .split('\n')
    .filter((line) => line.split('{"name":').length > 2)
  expect(glued).toEqual([])
  expect(meanwhile).toBeGreaterThan(0)
  expect(rig.ledger.refusals).toEqual([])
  return `${meanwhile} accepted while it was full, none refused; the same processes; logged again once there was room`
})
