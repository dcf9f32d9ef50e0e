import { expect } from 'vitest'
import { emptyDatabase } from '../databases.js'
import { type EventSourceReader, readEventStream } from '../event-streams.js'
import { until } from '../until.js'
import { full, row } from './row.js'

const MESSAGES = full ? 3_000 : 300
const KILLS = full ? 6 : 1
const STREAM = '/api/v1/events/stream'

row('LIVE', 'a stream of events at a gateway that is killed, while another one stores them', async ({ rig: make }) => {
  const database = await emptyDatabase({ name: 'MariaDB' })
  const rig = await make({ databaseUrl: database.url })
  // The second one comes when the first follows the node.
  await rig.sandboxSession('one')
  await rig.sandboxSession('two')
  rig.prepare('gateway-2')
  await rig.launch('gateway-2')
  await rig.learnUrl('gateway-2')

  const { url, key } = rig.rest('gateway-2')
  const seen: { id: string; session: string; sequence: number }[] = []
  let cursor: string | undefined
  const connect = () =>
    readEventStream(url + STREAM, {
      key,
      lastId: cursor,
      onEvent: ({ id, data }) => {
        cursor = id
        if (data) seen.push({ id: data.id, session: data.session.name, sequence: data.sequence })
      },
    })
  let stream: EventSourceReader = await connect()
  const begun = cursor
  const rest = () => rig.rest('gateway-1')
  const loads = ['one', 'two'].map((session) =>
    rig.ledger.load({ session, count: MESSAGES / 2, concurrency: 10, rest }),
  )
  for (let kill = 1; kill <= KILLS; kill++) {
    await until('events come', () => seen.length > (kill * MESSAGES) / KILLS / 2)
    await rig.kill('gateway-2')
    await stream.ended
    await rig.launch('gateway-2')
    stream = await connect()
  }
  await Promise.all(loads)
  await rig.settled()
  const delivered = 'SELECT id FROM messages WHERE delivered_at IS NULL'
  await until('all are delivered', async () => (await rig.database.rows(delivered)).length === 0)
  const [place] = JSON.parse(Buffer.from(begun ?? '', 'base64url').toString('utf8')) as [number]
  const stored = await rig.database.rows<{ id: string }>(`SELECT id FROM events WHERE place > ${place} ORDER BY place`)
  await until('the stream has told all', () => seen.length >= stored.length, {
    seen: () => [seen.length, stored.length],
  })
  stream.close()
  // Each once, and in their order.
  expect(seen.map(({ id }) => id)).toEqual(stored.map(({ id }) => id))
  for (const session of ['one', 'two']) {
    const sequences = seen.filter((event) => event.session === session).map(({ sequence }) => sequence)
    expect(sequences).toEqual(sequences.map((_, index) => (sequences[0] ?? 0) + index))
  }
  return `${seen.length} events of 2 sessions, each once and in order, over ${KILLS} kills of the reader's gateway`
})
