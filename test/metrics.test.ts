import { createServer } from 'node:http'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { silentLog } from '../runtime/log.js'
import { Metrics, processMetrics } from '../runtime/metrics.js'
import { createMetricsServer, type MetricsServer } from '../runtime/metrics-server.js'
import { SettingsError } from '../runtime/settings.js'
import { ADMIN_KEY, startTestGateway, type TestGateway } from './gateway.js'
import { databases } from './databases.js'
import { ANNA, API, type Talk, talkThrough, text } from './messages.js'
import { readingsOf } from './readings.js'
import { until } from './until.js'

const ANY_PORT = { host: '127.0.0.1', port: 0, chosen: true }

describe.each(databases())('the metrics of a gateway on $name and its node, in one process', (target) => {
  let test: TestGateway
  let talk: Talk
  let server: MetricsServer

  beforeEach(async () => {
    const metrics = new Metrics()
    test = await startTestGateway({ target, outside: { metrics }, node: { outside: { metrics } } })
    talk = talkThrough(test)
    server = createMetricsServer(ANY_PORT, metrics, silentLog())
    await server.start()
  })
  afterEach(async () => {
    await server.stop()
    await test.stop()
  })

  async function scrape(): Promise<string> {
    const answer = await fetch(String(server.url()))
    expect(answer.headers.get('content-type')).toMatch(/^text\/plain; version=0\.0\.4/)
    return answer.text()
  }
  const read = async () => readingsOf(await scrape())

  it('tell what traffic there was, by status and route, and nothing of what was said to whom', async () => {
    const session = await talk.linked()
    const sent = await Promise.all([1, 2, 3].map((n) => talk.send(session, text(`CANARY-TEXT ${n}`))))
    for (const { body } of sent) await talk.reaches(body.id, 'delivered')
    await talk.receive(session, { from: '+4915133333333', type: 'text', text: { body: 'CANARY-TEXT' } })
    await talk.listed(`session=${session}&direction=in`, 1)
    await test.ask('GET', `${API}/sessions/${session}/numbers/${ANNA}`)
    await test.ask('GET', `/nowhere/${ANNA}`)
    await test.ask('GET', `${API}/sessions`, undefined, { key: 'CANARY-KEY-0123456789-0123456789' })

    const readings = await until('everything is acknowledged', async () => {
      const found = await read()
      return found['switchboard_event_log_unacknowledged_events'] === 0 && found
    })
    expect(readings).toMatchObject({
      'switchboard_messages_total{origin="api"}': 3,
      'switchboard_messages_total{origin="contact"}': 1,
      'switchboard_message_statuses_total{status="sent"}': 3,
      'switchboard_message_statuses_total{status="delivered"}': 3,
      'switchboard_message_statuses_total{status="failed"}': 0,
      switchboard_message_sent_seconds_count: 3,
      'switchboard_messages_open{status="pending"}': 0,
      'switchboard_messages_open{status="held"}': 0,
      switchboard_messages_oldest_pending_seconds: 0,
      'switchboard_sessions{status="connected"}': 1,
      'switchboard_sessions{status="failed"}': 0,
      'switchboard_node_sessions{engine="sandbox",status="connected"}': 1,
      'switchboard_nodes{state="reachable"}': 1,
      switchboard_database_up: 1,
      switchboard_database_retries_total: 0,
      switchboard_event_log_unacknowledged_bytes: 0,
      'switchboard_http_requests_total{method="POST",route="/api/v1/sessions/:session/messages",code="202"}': 3,
      'switchboard_http_requests_total{method="GET",route="/api/v1/sessions/:session/numbers/:phone",code="200"}': 1,
      'switchboard_http_requests_total{method="GET",route="none",code="404"}': 1,
      'switchboard_http_request_duration_seconds_count{method="POST",route="/api/v1/sessions/:session/messages"}': 3,
    })
    const node = test.nodes[0]?.node.id()
    expect(readings[`switchboard_node_last_heard_seconds{node="${node}"}`]).toBeLessThan(5)
    const page = await scrape()
    for (const secret of ['CANARY', ANNA.slice(1), '4915133333333', '1555010', session, ADMIN_KEY]) {
      expect(page).not.toContain(secret)
    }
  })

  it('tell what waits, and for how long, while a session may send no more', async () => {
    const session = await talk.linked({}, { pacing: { messagesPerDay: 1 } })
    const { body } = await test.ask('GET', `${API}/sessions/${session}`)
    const first = await talk.send(session, text('first'))
    await talk.reaches(first.body.id, 'delivered')
    const second = await talk.send(session, text('second'))
    await talk.send(session, text('third'))
    const readings = await until('both wait at the node', async () => {
      const found = await read()
      return found[`switchboard_session_queue_messages{session="${body.id}",state="queued"}`] === 2 && found
    })
    expect(readings['switchboard_messages_open{status="pending"}']).toBe(2)
    const age = Number(readings['switchboard_messages_oldest_pending_seconds'])
    expect(age).toBeGreaterThan(0)
    expect(age).toBeLessThan(30)
    await test.ask('DELETE', `${API}/messages/${second.body.id}`)
    const after = await read()
    expect(after['switchboard_messages_open{status="pending"}']).toBe(1)
    expect(after['switchboard_message_statuses_total{status="failed"}']).toBe(1)
    // What goes with a session has failed, too.
    await test.ask('DELETE', `${API}/sessions/${session}`)
    expect((await read())['switchboard_message_statuses_total{status="failed"}']).toBe(2)
  })
})

describe('the port of the metrics', () => {
  it('serves what the process knows, and nothing else', async () => {
    const server = createMetricsServer(ANY_PORT, processMetrics(), silentLog())
    await server.start()
    const url = String(server.url())
    try {
      const [page, again] = await Promise.all([fetch(url), fetch(url)].map(async (asked) => (await asked).text()))
      expect(page).toMatch(/^nodejs_eventloop_lag_seconds \d/m)
      expect(again).toContain('process_resident_memory_bytes')
      expect((await fetch(url.replace('/metrics', '/'))).status).toBe(404)
      expect((await fetch(url, { method: 'POST', body: 'x' })).status).toBe(405)
    } finally {
      await server.stop()
    }
    await expect(fetch(url)).rejects.toThrow()
  })

  it('leaves out what cannot be told, and tells the rest', async () => {
    const metrics = new Metrics()
    metrics.gauges({ a: { name: 'switchboard_a', help: 'a' } }, () => Promise.reject(new Error('away')))
    metrics.gauges({ b: { name: 'switchboard_b', help: 'b' } }, () => ({ b: [{ value: 2 }] }))
    expect(readingsOf(await metrics.text())).toEqual({ switchboard_b: 2 })
  })

  it('stops a process that was told to use one that is taken, and no other', async () => {
    const other = createServer().listen(0, '127.0.0.1')
    await once(other, 'listening')
    const { port } = other.address() as AddressInfo
    const on = (chosen: boolean) => createMetricsServer({ host: '127.0.0.1', port, chosen }, new Metrics(), silentLog())
    await expect(on(true).start()).rejects.toThrow(SettingsError)
    await expect(on(true).start()).rejects.toThrow(/METRICS_PORT: .*EADDRINUSE/)
    const usual = on(false)
    await usual.start()
    expect(usual.url()).toBeUndefined()
    await usual.stop()
    other.close()
  })
})
