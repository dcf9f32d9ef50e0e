import { copyFile, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Cursor, NodeEvent, WatchItem } from '../proto/contract.js'
import type { FollowItem } from '../proto/node-client.js'
import { anOutgoing, startTestNode, type TestNode } from './testing.js'

const nothing: Cursor = { epoch: '', position: 0 }

describe('FollowEvents', () => {
  let node: TestNode
  beforeEach(async () => {
    node = await startTestNode({ config: { timing: { heartbeatMs: 50 } } })
  })
  afterEach(() => node.stop())

  async function take(items: AsyncIterable<FollowItem>, enough: (events: NodeEvent[]) => boolean) {
    const events: NodeEvent[] = []
    let started: Cursor | undefined
    for await (const item of items) {
      if (item.kind === 'started') started = item.cursor
      if (item.kind === 'batch') events.push(...(item.events as NodeEvent[]))
      if (enough(events)) break
    }
    return { started, events }
  }
  const hasStatus = (status: string) => (events: NodeEvent[]) =>
    events.some(({ body }) => body.kind === 'message_status' && body.status === status)

  it('tells the log from the cursor on, in order and without gaps, over a restart of the node', async () => {
    const sessionId = await node.startSession()
    await node.send(sessionId, anOutgoing())
    const first = node.client.follow({ cursor: nothing, fence: 1 })
    const { started, events } = await take(first.items, hasStatus('delivered'))
    expect(started?.position).toBe(0)
    expect(events.map(({ position }) => position)).toEqual(events.map((_, index) => index + 1))
    const seen = { epoch: events[0]?.epoch ?? '', position: events.at(-1)?.position ?? 0 }

    node = await node.restart()
    await node.send(sessionId, anOutgoing())
    const second = node.client.follow({ cursor: seen, fence: 1 })
    const more = await take(second.items, hasStatus('sent'))
    expect(more.started).toEqual(seen)
    expect(more.events[0]?.position).toBe(seen.position + 1)
  })

  it('sends heartbeats while nothing happens, and then what does', async () => {
    const following = node.client.follow({ cursor: nothing, fence: 1 })
    const kinds: string[] = []
    for await (const { kind } of following.items) {
      kinds.push(kind)
      if (kinds.length === 4) await node.startSession({ sandbox: {} })
      if (kind === 'batch') break
    }
    expect(kinds.slice(0, 4)).toEqual(['started', 'question', 'heartbeat', 'heartbeat'])
    expect(kinds.at(-1)).toBe('batch')
  })

  it('has one follower: a higher fence ends the stream of a lower one, which is then refused', async () => {
    const old = node.client.follow({ cursor: nothing, fence: 1 })
    const oldEnds = expect(take(old.items, () => false)).rejects.toMatchObject({ reason: 'follower_replaced' })
    await node.startSession()
    const next = node.client.follow({ cursor: nothing, fence: 2 })
    await take(next.items, (events) => events.length > 0)
    await oldEnds
    const late = node.client.follow({ cursor: nothing, fence: 1 })
    await expect(take(late.items, () => false)).rejects.toMatchObject({ code: 'conflict' })
  })

  it('begins a new epoch when the follower has seen more than the log holds', async () => {
    const sessionId = await node.startSession()
    await node.send(sessionId, anOutgoing())
    await node.event(({ body }) => body.kind === 'message_status' && body.status === 'delivered')
    const { epoch, position } = (await node.events()).at(-1) as NodeEvent
    const following = node.client.follow({ cursor: { epoch, position: position + 5 }, fence: 1 })
    const { started, events } = await take(following.items, (told) => told.length > 0)
    expect(started?.epoch).not.toBe(epoch)
    expect(started?.position).toBe(0)
    expect(events[0]).toMatchObject({ position: 1, body: { kind: 'session_status', session: { id: sessionId } } })
  })

  it('remembers what was acknowledged', async () => {
    await node.startSession()
    const following = node.client.follow({ cursor: nothing, fence: 1 })
    for await (const item of following.items) {
      if (item.kind === 'batch') following.acknowledge(item.events.at(-1)?.position ?? 0)
      // The acknowledgement went before the answer to this heartbeat.
      if (item.kind === 'heartbeat') break
    }
    const copy = await mkdtemp(join(tmpdir(), 'switchboard-copy-'))
    await node.stop({ keep: true })
    await copyFile(join(node.dataDir, 'journal.sqlite'), join(copy, 'journal.sqlite'))
    const { Journal } = await import('./journal/journal.js')
    const journal = new Journal({ dataDir: copy })
    await journal.start()
    const { acknowledged } = journal.get<{ acknowledged: number }>('SELECT acknowledged FROM node') ?? {}
    await journal.stop()
    await rm(copy, { recursive: true })
    expect(acknowledged).toBeGreaterThan(0)
  })
})

describe('Watch', () => {
  let node: TestNode
  beforeEach(async () => {
    node = await startTestNode({ config: { timing: { heartbeatMs: 50 } } })
  })
  afterEach(() => node.stop())

  async function* watch(options: { sessionIds?: Awaited<ReturnType<TestNode['startSession']>>[]; from?: Cursor } = {}) {
    const ending = new AbortController()
    try {
      yield* node.client.watch({ ...options, signal: ending.signal })
    } finally {
      ending.abort()
    }
  }

  it('begins with sessions, their newest QR and the end of the log, and goes on live', async () => {
    const sessionId = await node.startSession({ sandbox: {} })
    await node.event(({ body }) => body.kind === 'session_status' && body.session.status === 'qr_pending')
    const items: WatchItem[] = []
    for await (const item of watch()) {
      items.push(item)
      if (items.length === 1) await node.client.call('DriveSandbox', { sessionId, pair: {} })
      if (item.kind === 'event' && item.event.body.kind === 'session_status') {
        if (item.event.body.session.status === 'connected') break
      }
    }
    const [first] = items
    expect(first).toMatchObject({ kind: 'snapshot', sessions: [{ id: sessionId, status: 'qr_pending' }] })
    expect(first?.kind === 'snapshot' && first.qrs).toMatchObject([
      { sessionId, qr: expect.stringMatching(/^sandbox,/) },
    ])
    // Nothing of before the snapshot is told again, and the QR is taken away.
    expect(items.flatMap((item) => (item.kind === 'qr' ? [item.qr.qr] : []))).toEqual([''])
    expect(items.filter(({ kind }) => kind === 'event').length).toBeLessThanOrEqual(2)
  })

  it('tells of the sessions asked for only, with heartbeats, and replays from a cursor', async () => {
    const [mine, other] = [await node.startSession(), await node.startSession()]
    await node.event(
      ({ sessionId, body }) =>
        sessionId === other && body.kind === 'session_status' && body.session.status === 'connected',
    )
    const items: WatchItem[] = []
    for await (const item of watch({ sessionIds: [mine], from: nothing })) {
      items.push(item)
      if (item.kind === 'heartbeat') break
    }
    const told = items.flatMap((item) => (item.kind === 'event' ? [item.event.sessionId] : []))
    expect(new Set(told)).toEqual(new Set([mine]))
  })
})
