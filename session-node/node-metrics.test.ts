import { afterEach, describe, expect, it } from 'vitest'
import { Metrics } from '../runtime/metrics.js'
import { readingsOf } from '../test/readings.js'
import { until } from '../test/until.js'
import { aText, anOutgoing, startTestNode, type TestNode } from './testing.js'
import type { ClientEvent } from './whatsapp/whatsapp-client.js'

describe('the numbers of a session node', () => {
  let node: TestNode
  afterEach(() => node.stop())

  it('tell what waits, what is not acknowledged, what a browser takes and why sessions were restarted', async () => {
    const metrics = new Metrics()
    let tell: (event: ClientEvent) => void = () => undefined
    node = await startTestNode({
      config: { timing: { probeMs: 20, backoffMs: { first: 60_000, most: 60_000 } } },
      outside: {
        metrics,
        makeClient: async (options, usual) => {
          tell = options.listener
          const client = await usual(options)
          client.usage = async () => ({ memoryBytes: 123_456_789, processes: 7 })
          return client
        },
      },
    })
    const read = async () => readingsOf(await metrics.text())
    const sessionId = await node.startSession({ pacing: { gapMs: 0, jitterMs: 0, messagesPerDay: 1 } })
    await node.event(({ body }) => body.kind === 'session_status' && body.session.status === 'connected')
    await until('its browser is measured', async () => {
      const readings = await read()
      return readings[`switchboard_session_browser_processes{session="${sessionId}"}`] === 7
    })
    await node.send(sessionId, ...['one', 'two', 'three'].map((body) => anOutgoing({ content: aText(body) })))
    await node.event(({ body }) => body.kind === 'message_status' && body.reason === 'daily_limit')
    const readings = await read()
    expect(readings).toMatchObject({
      [`switchboard_session_browser_memory_bytes{session="${sessionId}"}`]: 123_456_789,
      'switchboard_node_sessions{engine="sandbox",status="connected"}': 1,
      'switchboard_node_sessions{engine="wwebjs",status="connected"}': 0,
      switchboard_node_capacity_sessions: 10,
      switchboard_node_load_sessions: 0,
      switchboard_event_log_max_bytes: 2 ** 30,
      [`switchboard_session_queue_messages{session="${sessionId}",state="queued"}`]: 2,
    })
    expect(readings['switchboard_event_log_size_bytes']).toBeGreaterThan(1_000)
    await until('nobody has acknowledged what it tells', async () => {
      const { switchboard_event_log_unacknowledged_events: events, switchboard_event_log_unacknowledged_bytes: bytes } =
        await read()
      const told = await node.events()
      const size = told.reduce((sum, { body }) => sum + Buffer.byteLength(JSON.stringify(body)), 0)
      return events === told.length && bytes === size
    })
    expect((await read())['switchboard_event_log_oldest_unacknowledged_seconds']).toBeGreaterThan(0)

    tell({ kind: 'died', reason: 'browser_crashed', detail: 'gone' })
    await node.event(({ body }) => body.kind === 'session_status' && body.session.status === 'disconnected')
    const after = await read()
    expect(after['switchboard_session_restarts_total{reason="browser_crashed"}']).toBe(1)
    expect(after['switchboard_node_sessions{engine="sandbox",status="disconnected"}']).toBe(1)
    expect(after[`switchboard_session_browser_processes{session="${sessionId}"}`]).toBeUndefined()
  })
})
