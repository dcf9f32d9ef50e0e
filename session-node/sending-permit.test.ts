import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { MessageId, SessionId } from '../proto/contract.js'
import { SendingPermit } from './sending-permit.js'
import { anOutgoing, startTestNode, type TestNode } from './testing.js'

const config = { timing: { heartbeatMs: 50, permitMs: 50 } }
const nothing = { epoch: '', position: 0 }

describe('what a node may send', () => {
  let node: TestNode
  let ends: (() => void)[] = []
  beforeEach(async () => {
    node = await startTestNode({ config, outside: { sendsAlone: false } })
  })
  afterEach(async () => {
    for (const end of ends.splice(0)) end()
    await node.stop()
  })

  /** Follows as a gateway does. Ends by `end`, or when the node goes. */
  function follow(fence: number, { forMs = 9_000, except = [] as SessionId[] } = {}) {
    const following = node.client.follow({ cursor: nothing, fence })
    const told = (async () => {
      for await (const item of following.items) {
        if (item.kind === 'question') following.permit({ asked: item.asked, forMs, except })
      }
    })().catch(() => undefined)
    ends.push(() => following.end())
    return async () => {
      following.end()
      await told
    }
  }
  const status = (id: MessageId, wanted: string, reason?: string) =>
    node.event(
      ({ body }) =>
        body.kind === 'message_status' &&
        body.messageId === id &&
        body.status === wanted &&
        (reason === undefined || body.reason === reason),
    )
  const connected = (id: SessionId) =>
    node.event(
      ({ sessionId, body }) =>
        sessionId === id && body.kind === 'session_status' && body.session.status === 'connected',
    )
  const wire = async () => {
    const lines = await readFile(join(node.dataDir, 'sandbox', 'wire.log'), 'utf8').catch(() => '')
    return lines.split('\n').flatMap((line) => {
      return line === '' ? [] : [(JSON.parse(line) as { waMessageId: string }).waMessageId]
    })
  }
  const start = async () => {
    const id = await node.startSession()
    await connected(id)
    return id
  }

  it('is nothing from its start on until a gateway that follows it lets it, and the bot is told so', async () => {
    const session = await start()
    const ours = anOutgoing()
    const fromBot = anOutgoing({ origin: 'telegram' })
    await node.send(session, ours, fromBot)
    await status(fromBot.id, 'pending', 'gateway_away')
    // Following is not enough.
    const following = node.client.follow({ cursor: nothing, fence: 1 })
    for await (const { kind } of following.items) if (kind === 'heartbeat') break
    expect(await wire()).toEqual([])
    follow(2)
    for (const { id } of [ours, fromBot]) await status(id, 'delivered')
    await status(fromBot.id, 'pending', 'waiting_to_send')
    expect(await wire()).toEqual([ours.waMessageId, fromBot.waMessageId])
  })

  it('is nothing again once the last answer has run out, however the node was restarted', async () => {
    const session = await start()
    const leave = follow(1, { forMs: 300 })
    const before = anOutgoing()
    await node.send(session, before)
    await status(before.id, 'sent')
    await leave()
    const last = anOutgoing({ origin: 'telegram' })
    // The answer may hold for a moment still: then there is another.
    for (let message = last; ; message = anOutgoing({ origin: 'telegram' })) {
      await node.send(session, message)
      const told = await node.event(({ body }) => body.kind === 'message_status' && body.messageId === message.id)
      if (told.body.kind === 'message_status' && told.body.reason === 'gateway_away') break
    }
    const sent = await wire()
    node = await node.restart()
    await connected(session)
    const after = anOutgoing({ origin: 'telegram' })
    await node.send(session, after)
    await status(after.id, 'pending', 'gateway_away')
    expect(await wire()).toEqual(sent)
    follow(2)
    await status(after.id, 'delivered')
    expect(new Set(await wire()).size).toBe((await wire()).length)
  })

  it('is nothing of a session that is placed elsewhere, and what it had is not sent when it comes back', async () => {
    const [own, stray] = [await start(), await start()]
    const [mine, queued, fromBot] = [anOutgoing(), anOutgoing(), anOutgoing({ origin: 'telegram' })]
    await node.send(stray, queued, fromBot)
    await node.send(own, mine)
    follow(1, { except: [stray] })
    await status(mine.id, 'delivered')
    expect(await wire()).toEqual([mine.waMessageId])

    await node.client.call('StopSession', { sessionId: stray, placedElsewhere: true })
    await status(fromBot.id, 'failed', 'placed_elsewhere')
    // Placed here again: only what is handed over now is sent.
    follow(2)
    await node.startSession({ sessionId: stray })
    const again = anOutgoing({ id: fromBot.id, lookFirst: true })
    const fresh = anOutgoing()
    await node.send(stray, again, fresh)
    for (const { id } of [again, fresh]) await status(id, 'delivered')
    expect((await wire()).sort()).toEqual([mine, again, fresh].map(({ waMessageId }) => waMessageId).sort())
  })
})

describe('an answer to the question whether to send', () => {
  const session = 'ses_a' as SessionId

  it('holds from the question on, not from when it comes', () => {
    let now = 0
    const permit = new SendingPermit(() => now)
    const asked = permit.ask()
    now = 900
    permit.grant({ asked, forMs: 1_000, except: [] })
    expect(permit.allows(session)).toBe(true)
    now = 1_000
    expect(permit.allows(session)).toBe(false)
    const late = permit.ask()
    now = 2_500
    permit.grant({ asked: late, forMs: 1_000, except: [] })
    expect(permit.allows(session)).toBe(false)
  })

  it('wakes those that were refused, also when only a clock had closed it', () => {
    let now = 0
    let woken = 0
    const permit = new SendingPermit(() => now)
    permit.onGranted(() => (woken += 1))
    const answer = () => permit.grant({ asked: permit.ask(), forMs: 1_000, except: [] })
    answer()
    now = 3_600_000
    expect(permit.allows(session)).toBe(false)
    now = 10
    answer()
    expect([permit.allows(session), woken]).toEqual([true, 1])
    answer()
    expect(woken).toBe(1)
  })

  it('is taken once, and not after a newer one', () => {
    let now = 0
    const permit = new SendingPermit(() => now)
    const [older, newer] = [permit.ask(), permit.ask()]
    permit.grant({ asked: newer, forMs: 1_000, except: [session] })
    permit.grant({ asked: older, forMs: 1_000, except: [] })
    expect(permit.allows(session)).toBe(false)
    expect(permit.allows('ses_b' as SessionId)).toBe(true)
    now = 5_000
    permit.grant({ asked: newer, forMs: 9_000, except: [] })
    expect(permit.allows(session)).toBe(false)
  })
})
