/** Sessions of the real engine in a rig, linked to phones of the simulated WhatsApp. */
import { expect } from 'vitest'
import { sleep } from '../../runtime/clock.js'
import type { Phone } from '../../simulator/simulator.js'
import { browsersOn } from '../processes.js'
import { until } from '../until.js'
import { settledByOperator } from './operator.js'
import type { Rig, RigOptions } from './rig.js'

export const WITH_WHATSAPP: RigOptions = { simulator: { allRegistered: true } }

/** A phone of the simulated WhatsApp, whose number must be in no log. */
export async function phoneOf(rig: Rig, number: string, name = number): Promise<Phone> {
  rig.ledger.phones.add(number)
  const phone = await rig.simulator?.whatsapp.phone(number, { name })
  if (!phone) throw new Error('This rig has no simulated WhatsApp')
  return phone
}

/** A number linked by the QR code of a new session. Answers with the session's id. */
export async function link(rig: Rig, name: string, number: string, gapMs = 0): Promise<string> {
  const phone = await phoneOf(rig, number, name)
  const made = await rig.rest().post('/sessions', { name, pacing: { gapMs, jitterMs: 0, messagesPerDay: 0 } })
  expect(made.status).toBe(201)
  await phone.scan(await qrOf(rig, name))
  await rig.sessionIs(name, 'connected')
  return String(made.body.id)
}

export async function qrOf(rig: Rig, name: string): Promise<string> {
  const { qr } = await until(
    'a QR code',
    async () => {
      const { status, body } = await rig.rest().get(`/sessions/${name}/qr`, { accept: 'application/json' })
      return status === 200 && (body as { qr: string })
    },
    { timeoutMs: 90_000 },
  )
  rig.ledger.secrets.add(qr)
  return qr
}

export const browsers = (rig: Rig) => browsersOn(rig.dataDir)

export async function qrsTold(rig: Rig): Promise<number> {
  return (await rig.database.rows(`SELECT id FROM events WHERE type = 'session.qr_pending'`)).length
}

export async function restartsFor(rig: Rig, reason: string): Promise<number> {
  const told = await rig.database.rows<{ body: string }>(`SELECT body FROM events WHERE type = 'session.disconnected'`)
  return told.filter(({ body }) => (JSON.parse(body) as { reason?: string }).reason === reason).length
}

/** All that was accepted is sent, and WhatsApp saw each once. */
export async function everySentOnce(rig: Rig): Promise<number> {
  await settledByOperator(rig, 180_000)
  const stored = (await rig.database.outgoing()).map((message) => message.wa_message_id).sort()
  expect((await rig.wire()).map(({ waMessageId }) => waMessageId).sort()).toEqual(stored)
  return stored.length
}

/** A moment in what the gateway has stored. */
export async function now(rig: Rig): Promise<number> {
  const [row] = await rig.database.rows<{ place: number | null }>('SELECT MAX(place) AS place FROM events')
  return Number(row?.place ?? 0)
}

/** The last that was told of each session after that moment is that it is connected. */
export async function connectedAfter(rig: Rig, place: number, ids: string[]): Promise<boolean> {
  const told = await rig.database
    .rows<{ session_id: string; type: string }>(
      `SELECT session_id, type FROM events WHERE type LIKE 'session.%' AND place > ${place} ORDER BY place`,
    )
    .catch(() => [])
  const last = new Map(told.map(({ session_id, type }) => [session_id, type]))
  return ids.every((id) => last.get(id) === 'session.connected')
}

/** The events of received messages, in their order: the WhatsApp id of each. */
export async function received(rig: Rig): Promise<string[]> {
  const rows = await rig.database.rows<{ id: string; wa_message_id: string }>(
    `SELECT id, wa_message_id FROM messages WHERE direction = 'in'`,
  )
  const waIds = new Map(rows.map((message) => [message.id, message.wa_message_id]))
  const told = await rig.database.rows<{ body: string }>(
    `SELECT body FROM events WHERE type = 'message.received' ORDER BY place`,
  )
  return told.map(({ body }) => waIds.get((JSON.parse(body) as { messageId: string }).messageId) ?? 'unknown')
}

/** Writes from a phone to a number again and again, until it is stopped; that answers with the ids of all messages. */
export function writing(from: Phone, to: string, everyMs: number): () => Promise<string[]> {
  const ids: string[] = []
  const stopping = new AbortController()
  const loop = (async () => {
    while (!stopping.signal.aborted) {
      ids.push((await from.sendText(to, `${ids.length}`)).id)
      await sleep(everyMs, stopping.signal)
    }
  })()
  return async () => {
    stopping.abort()
    await loop
    return ids
  }
}
