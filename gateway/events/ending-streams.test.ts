import { once } from 'node:events'
import { connect } from 'node:net'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { readingsOf } from '../../test/readings.js'
import { openEventSocket, readEventStream } from '../../test/event-streams.js'
import { ADMIN_KEY, startTestGateway, type TestGateway } from '../../test/gateway.js'
import { until } from '../../test/until.js'
import { Metrics } from '../../runtime/metrics.js'

describe('streams of events', () => {
  let test: TestGateway
  let metrics: Metrics
  let url: string

  beforeEach(async () => {
    metrics = new Metrics()
    test = await startTestGateway({ nodes: 0, outside: { metrics } })
    url = `${test.gateway.localUrl()}/api/v1/events/stream`
  })
  afterEach(() => test.stop())

  it('end when the gateway stops, at once', async () => {
    const socket = await openEventSocket(url, { header: ADMIN_KEY })
    const stranger = await openEventSocket(url, undefined)
    const stream = await readEventStream(url, { key: ADMIN_KEY })
    // It was refused, and does not hang up.
    const refused = connect({ port: Number(new URL(url).port), host: '127.0.0.1', allowHalfOpen: true })
    refused.on('error', () => undefined).resume()
    refused.write('GET /nothing HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n')
    await once(refused, 'end')
    const begun = performance.now()
    await test.gateway.stop()
    expect(performance.now() - begun).toBeLessThan(5_000)
    expect(await socket.closed).toEqual({ code: 1001, reason: 'stopping' })
    expect(await stranger.closed).toEqual({ code: 1001, reason: 'stopping' })
    await stream.ended
    refused.destroy()
  })

  it('leave nothing behind when their readers go, also while they are being opened', async () => {
    const standing = async () => readingsOf(await metrics.text())['switchboard_event_streams']
    const stream = await readEventStream(url, { key: ADMIN_KEY })
    const socket = await openEventSocket(url, { header: ADMIN_KEY })
    expect(await standing()).toBe(2)
    const { port } = new URL(url)
    const websocket = `Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n`
    for (const more of ['', websocket]) {
      for (let time = 0; time < 10; time++) {
        const hasty = connect(Number(port), '127.0.0.1')
        await once(hasty, 'connect')
        hasty.write(`GET /api/v1/events/stream HTTP/1.1\r\nHost: x\r\nX-API-Key: ${ADMIN_KEY}\r\n${more}\r\n`)
        setTimeout(() => hasty.resetAndDestroy(), time / 2)
        await once(hasty, 'close')
      }
    }
    stream.close()
    socket.socket.terminate()
    await until('no stream is left', async () => (await standing()) === 0)
  })
})
