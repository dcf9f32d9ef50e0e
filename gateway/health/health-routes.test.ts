import Router from '@koa/router'
import { afterEach, describe, expect, it } from 'vitest'
import type { KnownNode } from '../../proto/node-directory.js'
import { silentLog } from '../../runtime/log.js'
import type { ApiState } from '../http/context.js'
import { createHttpServer, type HttpServer } from '../http/http-server.js'
import { healthRoutes } from './health-routes.js'

describe('health', () => {
  let http: HttpServer
  afterEach(() => http.stop())

  async function serve(ping: () => Promise<void>) {
    const nodes = () => [{ reachable: false, info: { id: 'nod_a' } } as unknown as KnownNode]
    http = createHttpServer({
      ...{ host: '127.0.0.1', port: 0, trustProxy: 0, https: false, log: silentLog() },
      keys: { admit: () => Promise.reject(new Error('no key is asked for')) },
      open: [healthRoutes({ db: { ping }, directory: { nodes } })],
      api: [new Router<ApiState>()],
    })
    await http.start()
    return (path: string) => fetch(http.url() + path)
  }

  it('is ready while the database answers, whatever the nodes do', async () => {
    const get = await serve(() => Promise.resolve())
    const ready = await get('/readyz')
    expect(ready.status).toBe(200)
    expect(await ready.json()).toEqual({ status: 'ok', database: 'ok', nodes: [{ id: 'nod_a', reachable: false }] })
  })

  it('is alive and not ready while the database is away, or hangs', async () => {
    for (const ping of [() => Promise.reject(new Error('away')), () => new Promise<void>(() => {})]) {
      const get = await serve(ping)
      const ready = await get('/readyz')
      expect(ready.status).toBe(503)
      expect(ready.headers.get('retry-after')).toBe('5')
      expect((await get('/livez')).status).toBe(200)
      await http.stop()
    }
  })
})
