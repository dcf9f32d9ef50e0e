import { randomInt } from 'node:crypto'
import { expect } from 'vitest'
import { sleep } from '../../runtime/clock.js'
import { until } from '../until.js'
import { endProcess } from './process-state.js'
import { randomFrom } from './random.js'
import { browsers, everySentOnce, link, qrsTold } from './real-sessions.js'
import type { Rig } from './rig.js'
import { full, row } from './row.js'

const MESSAGES = full ? 100 : 5
const KILLS = full ? 10 : 1
/** From WhatsApp's taking a message to its ack: the time in which a kill meets it on its way. */
const ACK_MS = 400
const PAUSE_MS = full ? 3_000 : 500
/** One sends as fast as it can, the other at a pace. */
const SESSIONS = [
  { name: 'fast', number: '4915100000001', gapMs: 0 },
  { name: 'paced', number: '4915100000002', gapMs: 150 },
].slice(0, full ? 2 : 1)
const seed = Number(process.env['FAULT_SEED'] ?? randomInt(2 ** 31))

row(
  'REAL',
  `${MESSAGES} messages by the real engine while Chromium, the node and the gateway are killed, ${KILLS} x each`,
  async ({ rig: make }) => {
    const random = randomFrom(seed)
    const rig = await make({ simulator: { allRegistered: true, serverAckDelayMs: ACK_MS } })
    const idOf = new Map<string, string>()
    for (const { name, number, gapMs } of SESSIONS) idOf.set(number, await link(rig, name, number, gapMs))
    const qrs = await qrsTold(rig)
    const stopping = new AbortController()
    const loads = SESSIONS.map(({ name }) =>
      rig.ledger.load({
        ...{ session: name, count: Number.POSITIVE_INFINITY, perSecond: 0.8, concurrency: 3, keys: true },
        ...{ rest: () => rig.rest(), signal: stopping.signal },
      }),
    )

    const kills = { Chromium: 0, node: 0, gateway: 0 }
    /** One that met nothing does not count; `met` is what it met. */
    const strike = async <Met>(
      what: keyof typeof kills,
      meets: () => Promise<Met[]>,
      work: (met: Met[]) => Promise<unknown>,
    ) => {
      await sleep(random() * PAUSE_MS)
      const afterMs = random() * ACK_MS
      for (;;) {
        const there = async () => (await meets()).length > 0
        await until('a message is on its way', there, { timeoutMs: 120_000, everyMs: 10 })
        await sleep(afterMs)
        const met = await meets()
        if (met.length === 0) continue
        await work(met)
        kills[what] += 1
        return
      }
    }
    const killBrowser = async ([number]: string[]) => {
      const id = idOf.get(number ?? '') ?? 'nothing'
      const mains = browsers(rig).filter(({ command }) => command.includes(id))
      expect(mains.length).toBeGreaterThan(0)
      for (const { pid } of mains) endProcess(pid)
    }
    const killProcess = async (name: string) => {
      await rig.kill(name)
      rig.spawn(name)
    }
    // A node counts the restarts of its sessions anew: with one of each in turn the breaker stays closed.
    const sessions = async () => {
      for (let round = 0; round < KILLS; round++) {
        const chromium = () => strike('Chromium', () => atWhatsapp(rig), killBrowser)
        const node = () =>
          strike(
            'node',
            () => atWhatsapp(rig),
            () => killProcess('node-1'),
          )
        for (const next of random() < 0.5 ? [chromium, node] : [node, chromium]) await next()
      }
    }
    const gateways = async () => {
      for (let kill = 0; kill < KILLS; kill++) {
        // One that has not come up yet could not have stored anything.
        await rig.get('gateway-1').logged('http.listening')
        await strike(
          'gateway',
          () => unstored(rig),
          () => killProcess('gateway-1'),
        )
      }
    }
    await Promise.all([sessions(), gateways()])
    await rig.revive()
    await until('enough is accepted', () => rig.ledger.accepted.size >= MESSAGES, { timeoutMs: 120_000 })
    stopping.abort()
    await Promise.all(loads)

    const sent = await everySentOnce(rig)
    expect(await qrsTold(rig)).toBe(qrs)
    const looked = rig.lines().filter(({ msg }) => msg === 'message.reconciled').length
    const struck = Object.entries(kills).map(([what, count]) => `${count} x ${what}`)
    return `seed ${seed}: ${rig.ledger.accepted.size} accepted, ${sent} stored, each in WhatsApp's log once, 0 lost; ${looked} looked for (${struck.join(', ')}, each while a message was on its way); no new QR`
  },
  { timeoutMs: 1_500_000 },
)

/** The numbers of which WhatsApp has a message that it has not acked yet. */
async function atWhatsapp(rig: Rig): Promise<string[]> {
  const lines = (await rig.simulator?.whatsapp.wire()) ?? []
  return lines.filter(({ at }) => Date.now() - at < ACK_MS).map(({ from }) => from.replace(/@.*/, ''))
}

/** Messages that WhatsApp has, and whose result the gateway has not stored yet. */
async function unstored(rig: Rig): Promise<string[]> {
  const open = await rig.database.open().catch(() => [])
  const seen = new Set((await rig.wire()).map(({ waMessageId }) => waMessageId))
  return open.map((message) => message.wa_message_id).filter((id) => seen.has(id))
}
