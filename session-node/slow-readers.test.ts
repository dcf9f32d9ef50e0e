import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { SessionId, TenantId } from '../proto/contract.js'
import { sleep, systemClock } from '../runtime/clock.js'
import { EventLog } from './journal/event-log.js'
import { Journal } from './journal/journal.js'
import { startTestNode, type TestNode } from './testing.js'

/** The garbage collector, so that what is measured is what is held. */
setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as () => void

const EVENTS = 5_000
/** A text as long as WhatsApp takes it: 200 of them are more than a gRPC message may hold. */
const LONGEST = '🌅'.repeat(65_536)
const LONG_ONES = 100
const MIB = 2 ** 20
/** What is on its way in both ends of a connection, which are one process here. */
const MOST_BYTES = 24 * MIB
const nothing = { epoch: '', position: 0 }

describe('a log of 75 MiB', () => {
  let dataDir: string
  let node: TestNode
  beforeAll(async () => {
    dataDir = await mkdtemp(join(tmpdir(), 'switchboard-slow-'))
    const journal = new Journal({ dataDir })
    await journal.start()
    const log = new EventLog(journal, systemClock)
    const session = { id: 'ses_a' as SessionId, tenantId: 'ten_default' as TenantId }
    const body = 'x'.repeat(10 * 1_024)
    await journal.write(() => {
      for (let number = 0; number < EVENTS; number++) {
        const text = number < EVENTS - LONG_ONES ? body : LONGEST
        log.insert(session, {
          kind: 'message_edited',
          waMessageId: `A${number}`,
          chatId: '4915222222222@c.us',
          body: text,
        })
      }
    })
    expect(log.bytes()).toBeGreaterThan(70 * MIB)
    await journal.stop()
    node = await startTestNode({ dataDir, config: { timing: { heartbeatMs: 50 } } })
  })
  afterAll(async () => {
    await node.stop()
    await rm(dataDir, { recursive: true, force: true })
  })

  const used = () => {
    collect()
    const { heapUsed, external } = process.memoryUsage()
    return heapUsed + external
  }
  /** The memory in use once it grows no more. */
  async function settled(): Promise<number> {
    let [last, same] = [0, 0]
    while (same < 5) {
      await sleep(50)
      const now = used()
      same = now > last + MIB / 2 ? 0 : same + 1
      last = Math.max(last, now)
    }
    return last
  }

  it('is read by a follower that stops reading without growing the memory, and whole by one that reads on', async () => {
    const before = used()
    const following = node.client.follow({ cursor: nothing, fence: 1 })
    let position = 0
    let stalled: number | undefined
    for await (const item of following.items) {
      // In the middle: nothing is taken off the stream while this waits.
      if (item.kind === 'batch' && stalled === undefined) stalled = await settled()
      if (item.kind !== 'batch') continue
      expect(item.events[0]?.position).toBe(position + 1)
      position = item.events.at(-1)?.position ?? position
      if (position === EVENTS) break
    }
    expect((stalled ?? Infinity) - before).toBeLessThan(MOST_BYTES)
  })

  it('is watched by one that stops reading without growing the memory', async () => {
    const before = used()
    const ending = new AbortController()
    for await (const { kind } of node.client.watch({ from: nothing, signal: ending.signal })) {
      if (kind === 'event') break
    }
    const stalled = node.client.watch({ from: nothing, signal: ending.signal })[Symbol.asyncIterator]()
    await stalled.next()
    expect((await settled()) - before).toBeLessThan(MOST_BYTES)
    ending.abort()
    await stalled.return?.()
  })
})
