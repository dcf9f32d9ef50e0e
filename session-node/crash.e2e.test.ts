import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import type { Cursor, MessageId, NodeEvent } from '../proto/contract.js'
import { outgoingToProto } from '../proto/mapping.js'
import { createNodeClient } from '../proto/node-client.js'
import { sleep } from '../runtime/clock.js'
import { newId } from '../runtime/ids.js'
import { type RunningProcess, startProcess } from '../test/processes.js'
import { anOutgoing } from './testing.js'

const ROUNDS = 3
const PER_ROUND = 400

describe('a node that is killed again and again while it sends', () => {
  let dataDir = ''
  let running: RunningProcess | undefined
  afterAll(async () => {
    await running?.kill()
    await rm(dataDir, { recursive: true, force: true })
  })

  /** A node, and one who follows its log as the gateway does: by cursor, acknowledging what it has. */
  async function start(cursor: { at: Cursor }, events: NodeEvent[]) {
    const node = startProcess('session-node/main.ts', { DATA_DIR: dataDir, NODE_LISTEN: '127.0.0.1:0' })
    running = node
    const { address } = (await node.logged('node.started')) as unknown as { address: string }
    const client = createNodeClient(address, { insecure: false })
    const following = client.follow({ cursor: cursor.at, fence: 1 })
    const reading = (async () => {
      for await (const item of following.items) {
        if (item.kind === 'question') following.permit({ asked: item.asked, forMs: 9_000, except: [] })
        if (item.kind !== 'batch') continue
        events.push(...(item.events as NodeEvent[]))
        const last = item.events.at(-1) as NodeEvent
        cursor.at = { epoch: last.epoch, position: last.position }
        following.acknowledge(last.position)
      }
    })().catch(() => undefined)
    return {
      client,
      async end(how: () => Promise<unknown>) {
        await how()
        await reading
        client.close()
      },
    }
  }

  it('sends each message that it took on once, in order, and tells all of it without a gap', async () => {
    dataDir = await mkdtemp(join(tmpdir(), 'switchboard-crash-'))
    const sessionId = newId('ses')
    const cursor = { at: { epoch: '', position: 0 } }
    const events: NodeEvent[] = []
    const accepted: string[] = []
    const isSent = (id: string) =>
      events.some(({ body }) => body.kind === 'message_status' && body.messageId === id && body.status === 'sent')

    const wasDoubtful = () => events.some(({ body }) => body.kind === 'message_status' && body.status === 'unknown')

    let node = await start(cursor, events)
    await node.client.call('StartSession', {
      ...{ sessionId, tenantId: 'ten_default', name: 'default', engine: 'sandbox' },
      sandbox: { autoPair: true },
    })
    // On a busy machine a kill may come before the first send: then there are more.
    for (let round = 1; round <= ROUNDS || (!wasDoubtful() && round <= 5 * ROUNDS); round += 1) {
      for (let handed = 0; handed < PER_ROUND; handed += 100) {
        const messages = Array.from({ length: 100 }, () => anOutgoing())
        await node.client.call('SendMessages', { sessionId, messages: messages.map(outgoingToProto) })
        accepted.push(...messages.map(({ waMessageId }) => waMessageId))
      }
      // Somewhere in the middle of sending them.
      await sleep(20 + 60 * Math.random())
      await node.end(() => running?.kill() ?? Promise.resolve())
      node = await start(cursor, events)
    }
    const last = anOutgoing()
    await node.client.call('SendMessages', { sessionId, messages: [outgoingToProto(last)] })
    while (!isSent(last.id)) await sleep(20)
    while (unsettled(events).length > 0) await sleep(20)
    await node.end(() => running?.stop() ?? Promise.resolve())
    // The kills did hit sends: some were looked for.
    expect(wasDoubtful()).toBe(true)

    const lines = (await readFile(join(dataDir, 'sandbox', 'wire.log'), 'utf8')).trim().split('\n')
    const wire = lines.flatMap((line) => {
      try {
        return [(JSON.parse(line) as { waMessageId: string }).waMessageId]
      } catch {
        return []
      }
    })
    expect(wire).toEqual([...accepted, last.waMessageId])
    expect(events.map(({ position }) => position)).toEqual(events.map((_, index) => index + 1))
  })
})

/** Those whose last status is not a good one. */
function unsettled(events: NodeEvent[]): MessageId[] {
  const last = new Map<MessageId, string>()
  for (const { body } of events) {
    if (body.kind === 'message_status' && body.messageId) last.set(body.messageId, body.status)
  }
  return [...last].filter(([, status]) => status === 'unknown' || status === 'failed').map(([id]) => id)
}
