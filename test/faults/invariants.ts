/** What holds after every fault, whatever was broken. Each problem that is found is one line. */
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import BetterSqlite from 'better-sqlite3'
import { waMessageId } from '../../proto/wa-message-id.js'
import { until } from '../until.js'
import { everyEventIsOwed } from './events-owed.js'
import type { Rig } from './rig.js'

/** Stops the rig in the course of it, and throws when anything is wrong. */
export async function checkInvariants(rig: Rig): Promise<void> {
  const problems = [...(await waitingHasAReason(rig)), ...(await rig.leaks())]
  // Gateways first: a node's last words are kept for the next start.
  await caughtUp(rig)
  for (const name of rig.names().sort()) await rig.end(name)
  problems.push(
    ...(await everyAnswerHasARow(rig)),
    ...(await nothingTwice(rig)),
    ...(await eventsInOrder(rig)),
    ...(await journalsInOrder(rig)),
    ...(await everyEventIsOwed(rig)),
    ...[...rig.browsers.doubles].map((profile) => `I6: two browsers on ${profile}`),
    ...nothingTold(rig),
  )
  // I8, after the browsers of the nodes have ended.
  let left: string[] = []
  await until('nothing is left', async () => (left = await rig.leftovers()).length === 0, { seen: () => left })
  if (problems.length > 0) throw new Error(`Invariants:\n${problems.slice(0, 20).join('\n')}`)
}

/** The gateways have stored all that the nodes have told. */
async function caughtUp(rig: Rig): Promise<void> {
  if (!rig.names().some((name) => name.startsWith('gateway'))) return
  let cursors = ''
  let same = 0
  await until(
    'the event cursors stand still',
    async () => {
      const now = JSON.stringify(await rig.database.rows('SELECT node_id, epoch, position FROM node_cursors'))
      same = now === cursors ? same + 1 : 0
      cursors = now
      return same >= 3
    },
    { everyMs: 100 },
  )
}

/** I1. */
async function everyAnswerHasARow(rig: Rig): Promise<string[]> {
  const rows = new Set((await rig.database.outgoing()).map(({ id }) => id))
  const keys = [...rig.ledger.byKey].filter(([, ids]) => ids.size > 1)
  return [
    ...[...rig.ledger.accepted.keys()].filter((id) => !rows.has(id)).map((id) => `I1: ${id} was accepted and is lost`),
    ...keys.map(([key, ids]) => `I1: the key ${key} made ${[...ids].join(' and ')}`),
  ]
}

interface Resend {
  waMessageId?: string
  error?: string
  at: number
}

/** I2, and that what is called sent was sent. */
async function nothingTwice(rig: Rig): Promise<string[]> {
  const rows = await rig.database.outgoing()
  const lines = groupBy(await rig.wire(), (line) => line.waMessageId)
  const resends = groupBy(await recordedResends(rig), (resend) => resend.waMessageId ?? '')
  const known = new Set(rows.map((row) => row.wa_message_id))
  const wrong = rows.filter(({ id, wa_message_id }) => wa_message_id !== waMessageId(id as `msg_${string}`))
  const unsent = rows.filter(
    ({ status, wa_message_id }) =>
      ['sent', 'delivered', 'read', 'played'].includes(status) && !lines.has(wa_message_id),
  )
  const twice = [...lines].filter(([id, seen]) => {
    const allowed = resends.get(id) ?? []
    // Each further line needs a check that found no trace, and the line before must be newer than that check.
    return seen.slice(1).some((_, index) => {
      const resend = allowed[index]
      return !resend?.error?.startsWith('No trace of it in: ') || (seen[index]?.at ?? 0) <= resend.at
    })
  })
  return [
    ...wrong.map(({ id, wa_message_id }) => `I2: ${id} has the WhatsApp id ${wa_message_id}`),
    ...unsent.map(({ id, status }) => `I2: ${id} is ${status}, and WhatsApp never saw it`),
    ...twice.map(([id, seen]) => `I2: WhatsApp saw ${id} ${seen.length} times`),
    ...[...lines.keys()].filter((id) => !known.has(id)).map((id) => `I2: WhatsApp saw ${id}, which no row has`),
  ]
}

async function recordedResends(rig: Rig): Promise<Resend[]> {
  const rows = await rig.database.rows<{ body: string; at: string | Date }>(
    `SELECT body, at FROM events WHERE type = 'message.unknown' ORDER BY place`,
  )
  return rows
    .map(({ body, at }) => ({ ...(JSON.parse(body) as Resend & { reason?: string }), at: timeOf(at) }))
    .filter(({ reason }) => reason === 'resending')
}

const timeOf = (at: string | Date) => (at instanceof Date ? at.getTime() : Date.parse(`${at.replace(' ', 'T')}Z`))

/** I3, by what the API shows. */
async function waitingHasAReason(rig: Rig): Promise<string[]> {
  if (!rig.names().includes('gateway-1')) return []
  const problems: string[] = []
  for (const status of ['pending', 'unknown']) {
    const { body } = await rig.rest().get(`/messages?direction=out&status=${status}&limit=500`)
    for (const message of body.data as { id: string; reason?: string; nextAction?: string }[]) {
      if (!message.reason || !message.nextAction) problems.push(`I3: ${message.id} is ${status} without a next action`)
    }
  }
  return problems
}

/** I4, in the gateway's table. */
async function eventsInOrder(rig: Rig): Promise<string[]> {
  const repeated = await rig.database.rows(
    `SELECT node_id, epoch, position FROM events WHERE node_id IS NOT NULL
     GROUP BY node_id, epoch, position HAVING COUNT(*) > 1`,
  )
  const sessions = await rig.database.rows<Record<'session_id' | 'count' | 'first' | 'last', string | number>>(
    `SELECT session_id, COUNT(DISTINCT sequence) AS count, MIN(sequence) AS first, MAX(sequence) AS last
     FROM events WHERE session_id IS NOT NULL GROUP BY session_id`,
  )
  const broken = sessions.filter(({ count, first, last }) => Number(first) !== 1 || Number(count) !== Number(last))
  // In order per session: what the node told later stands later.
  const positions = await rig.database.rows<{ session_id: string; node_id: string; epoch: string; position: number }>(
    `SELECT session_id, node_id, epoch, position FROM events WHERE node_id IS NOT NULL ORDER BY session_id, sequence`,
  )
  const misplaced = [...groupBy(positions, (row) => `${row.session_id} ${row.node_id} ${row.epoch}`)].filter(
    ([, rows]) => rows.some((row, index) => index > 0 && Number(row.position) <= Number(rows[index - 1]?.position)),
  )
  return [
    ...repeated.map((row) => `I4: stored twice: ${JSON.stringify(row)}`),
    ...broken.map((row) => `I4: a gap in the sequence: ${JSON.stringify(row)}`),
    ...misplaced.map(([of]) => `I4: out of order: ${of}`),
  ]
}

/** I4, in the nodes' logs: no gap, all of it stored by the gateway, and both agree on every message. */
async function journalsInOrder(rig: Rig): Promise<string[]> {
  const problems: string[] = []
  const statuses = new Map((await rig.database.outgoing()).map(({ id, status }) => [id, status]))
  const cursors = await rig.database.rows<{ node_id: string; epoch: string; position: number }>(
    'SELECT node_id, epoch, position FROM node_cursors',
  )
  for (const name of (await readdir(rig.dataDir)).filter((entry) => /^node-\d+$/.test(entry))) {
    const journal = new BetterSqlite(join(rig.dataDir, name, 'journal.sqlite'), { timeout: 5_000 })
    try {
      const all = <Found>(sql: string) => journal.prepare(sql).all() as Found[]
      const [whole] = all<{ integrity_check: string }>('PRAGMA integrity_check')
      if (whole?.integrity_check !== 'ok') problems.push(`${name}: the journal is corrupt: ${whole?.integrity_check}`)
      const [span] = all<{ count: number; first: number; last: number }>(
        'SELECT count(*) AS count, coalesce(min(position), 1) AS first, coalesce(max(position), 0) AS last FROM events',
      )
      if (span && span.last - span.first + 1 !== span.count) problems.push(`I4: ${name}: a gap in the log`)
      const [node] = all<{ id: string; epoch: string }>('SELECT id, epoch FROM node')
      const cursor = cursors.find((row) => row.node_id === node?.id)
      if (cursor && cursor.epoch !== node?.epoch) problems.push(`I4: ${name}: the gateway is in another epoch`)
      // The node's last words, as it stopped, come after the gateway's end.
      const done = all<{ message_id: string; status: string }>(
        `SELECT message_id, status FROM sends WHERE state = 'done'`,
      )
      for (const { message_id: id, status } of done) {
        if (statuses.get(id) !== status && !(status === 'sent' && statuses.get(id) === 'delivered')) {
          problems.push(`I4: ${id} is ${status} for ${name} and ${statuses.get(id)} for the gateway`)
        }
      }
    } finally {
      journal.close()
    }
  }
  return problems
}

/** I7. */
function nothingTold(rig: Rig): string[] {
  const output = rig.output()
  const secrets = { 'the API key': rig.adminKey, 'the token': rig.clusterToken, 'the secret': rig.secretKey }
  const told = Object.entries({ ...secrets, 'the text of a message': rig.ledger.canary }).filter(([, canary]) =>
    output.includes(canary),
  )
  for (const secret of rig.ledger.secrets) if (output.includes(secret)) told.push(['a QR code', secret])
  const loud = rig.lines().filter(({ level }) => level >= 30)
  const phones = [...rig.ledger.phones].flatMap(
    (phone) => loud.find((line) => JSON.stringify(line).includes(phone)) ?? [],
  )
  return [
    ...told.map(([what]) => `I7: the logs tell ${what}`),
    ...phones.map((line) => `I7: the log tells a number: ${JSON.stringify(line).slice(0, 300)}`),
  ]
}

function groupBy<Item>(items: readonly Item[], keyOf: (item: Item) => string): Map<string, Item[]> {
  const groups = new Map<string, Item[]>()
  for (const item of items) {
    const group = groups.get(keyOf(item))
    if (group) group.push(item)
    else groups.set(keyOf(item), [item])
  }
  return groups
}
