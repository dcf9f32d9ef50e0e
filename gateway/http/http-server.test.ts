import { connect } from 'node:net'
import Router from '@koa/router'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { AppError } from '../../runtime/app-error.js'
import { silentLog } from '../../runtime/log.js'
import { sleep } from '../../runtime/clock.js'
import type { ApiKey } from '../tenants/api-key.js'
import { allow } from './authenticate.js'
import type { ApiState, OpenState } from './context.js'
import { sendEvents } from './event-stream.js'
import { createHttpServer, type HttpServer } from './http-server.js'
import { readJson } from './json-body.js'
import { decodeCursor, page, pageFields } from './pagination.js'
import { parse, parseOptional } from './parse.js'

type Sendable = NonNullable<RequestInit['body']>

const aKey = {
  id: 'key_1',
  tenantId: 'ten_1',
  scopes: ['sessions:read', 'sessions:write'],
  sessions: ['*'],
} as unknown as ApiKey
const keys = {
  admit: async ({ text }: { text: string }) => {
    if (text !== 'right') throw new AppError('unauthenticated', 'No such key.', { reason: 'api_key_unknown' })
    return { key: aKey, tenantId: aKey.tenantId }
  },
}
const Thing = z.strictObject({ name: z.string(), size: z.number().optional() })

function server(): HttpServer {
  const open = new Router<OpenState>()
  open.get('/livez', (ctx) => void (ctx.body = { status: 'ok' }))
  open.get('/stream', (ctx) =>
    sendEvents(ctx, async function* (signal) {
      yield { event: 'first', data: { n: 1 } }
      await sleep(60_000, signal)
    }),
  )
  const api = new Router<ApiState>({ prefix: '/api/v1/things' })
  api.post('/', async (ctx) => void (ctx.body = parse(Thing, await readJson(ctx))))
  api.post('/maybe', async (ctx) => void (ctx.body = parseOptional(Thing.partial(), await readJson(ctx))))
  api.get('/', (ctx) => {
    const { limit, cursor } = parse(z.object(pageFields), ctx.query)
    const [after] = cursor === undefined ? [0] : decodeCursor(z.tuple([z.number()]), cursor)
    const rows = Array.from({ length: 250 }, (_, i) => i + 1).filter((n) => n > after)
    ctx.body = page(
      rows.slice(0, limit + 1),
      limit,
      (n) => ({ n }),
      (n) => [n],
    )
  })
  api.get('/slow', async (ctx) => {
    await sleep(300)
    ctx.body = { slow: true }
  })
  api.get('/admin', allow('admin'), (ctx) => void (ctx.body = {}))
  api.get('/busy', () => {
    throw new AppError('unavailable', 'Away.', { reason: 'node_unreachable', retryAfterMs: 2_500 })
  })
  api.get('/broken', () => {
    throw new Error('the secret inside')
  })
  return createHttpServer({
    host: '127.0.0.1',
    port: 0,
    trustProxy: 0,
    https: false,
    log: silentLog(),
    keys,
    open: [open],
    api: [api],
  })
}

describe('the HTTP server', () => {
  let http: HttpServer
  beforeAll(async () => {
    http = server()
    await http.start()
  })
  afterAll(() => http.stop())

  const ask = async (path: string, init: RequestInit & { type?: string } = {}) => {
    const headers = {
      'X-API-Key': 'right',
      ...(init.body ? { 'Content-Type': init.type ?? 'application/json' } : {}),
      ...init.headers,
    }
    const answer = await fetch(http.url() + path, { ...init, headers })
    const body = (await answer.json()) as Record<string, unknown>
    return { status: answer.status, headers: answer.headers, body }
  }
  const post = (body: Sendable, type = 'application/json') => ask('/api/v1/things', { method: 'POST', body, type })

  it('takes the key as X-API-Key, Bearer or ApiKey', async () => {
    for (const headers of [
      { 'X-API-Key': 'right' },
      { Authorization: 'Bearer right' },
      { Authorization: 'ApiKey right' },
    ]) {
      const answer = await fetch(`${http.url()}/api/v1/things`, { headers: headers as Record<string, string> })
      expect(answer.status).toBe(200)
    }
  })

  it('answers 401 in problem+json without a key, below /api/v1 only', async () => {
    const answer = await fetch(`${http.url()}/api/v1/nothing`)
    expect(answer.status).toBe(401)
    expect(answer.headers.get('content-type')).toMatch(/^application\/problem\+json/)
    expect(answer.headers.get('www-authenticate')).toMatch(/^Bearer/)
    const body = (await answer.json()) as Record<string, unknown>
    expect(body).toMatchObject({ status: 401, code: 'api_key_missing', title: 'No valid API key' })
    expect(body['requestId']).toBe(answer.headers.get('x-request-id'))
    expect((await fetch(`${http.url()}/livez`)).status).toBe(200)
  })

  it('answers 404 and 405 with a problem', async () => {
    expect(await ask('/api/v1/nothing')).toMatchObject({ status: 404, body: { code: 'not_found' } })
    const wrongMethod = await ask('/api/v1/things', { method: 'DELETE' })
    expect(wrongMethod).toMatchObject({ status: 405, body: { code: 'method_not_allowed' } })
    expect(wrongMethod.headers.get('allow')).toMatch(/GET/)
  })

  it('sees no difference in a trailing slash', async () => {
    expect((await ask('/api/v1/things/')).status).toBe(200)
    expect((await ask('/livez/')).status).toBe(200)
  })

  it.each<[name: string, body: Sendable, type: string | undefined, status: number, code: string]>([
    ['broken JSON', '{"name":', undefined, 400, 'malformed_json'],
    ['a byte order mark', '\ufeff{"name":"x"}', undefined, 400, 'malformed_json'],
    ['bytes that are not UTF-8', Buffer.from('7b226e616d65223a22ff227d', 'hex'), undefined, 400, 'malformed_text'],
    ['half a surrogate pair', '{"name":"\\ud800"}', undefined, 400, 'malformed_text'],
    ['33 levels', `{"name":${'['.repeat(32)}${']'.repeat(32)}}`, undefined, 400, 'body_too_deep'],
    ['10,000 levels', '['.repeat(10_000) + ']'.repeat(10_000), undefined, 400, 'body_too_deep'],
    ['257 KiB', JSON.stringify({ name: 'x'.repeat(257 * 1024) }), undefined, 413, 'body_too_large'],
    ['text', 'name=x', 'text/plain', 415, 'unsupported_content_type'],
    ['a form', 'name=x', 'application/x-www-form-urlencoded', 415, 'unsupported_content_type'],
    ['1e999 as a number', '{"name":"x","size":1e999}', undefined, 400, 'malformed_json'],
    ['a NUL', '{"name":"x\\u0000"}', undefined, 400, 'malformed_text'],
    ['a field that is there twice', '{"name":"x:\\\\","name":"y\\":"}', undefined, 400, 'malformed_json'],
    ['__proto__', '{"name":"x","__proto__":{"size":1}}', undefined, 400, 'malformed_json'],
    ['a field nobody knows', '{"name":"x","sise":1}', undefined, 400, 'invalid_request'],
    ['null', 'null', undefined, 400, 'invalid_request'],
  ])('refuses %s', async (_, body, type, status, code) => {
    expect(await post(body, type)).toMatchObject({ status, body: { status, code } })
  })

  it('refuses a body that is too large although it did not say so beforehand', async () => {
    const chunk = Buffer.alloc(64 * 1024, 'x')
    const body = new ReadableStream({
      start(controller) {
        for (let i = 0; i < 5; i++) controller.enqueue(chunk)
        controller.close()
      },
    })
    const answer = await ask('/api/v1/things', { method: 'POST', body, duplex: 'half' } as RequestInit)
    expect(answer).toMatchObject({ status: 413, body: { code: 'body_too_large' } })
  })

  it('refuses a compressed body, which could be a bomb', async () => {
    const answer = await ask('/api/v1/things', { method: 'POST', body: '{}', headers: { 'Content-Encoding': 'gzip' } })
    expect(answer).toMatchObject({ status: 415, body: { code: 'unsupported_encoding' } })
  })

  it('names every problem of a body by its path', async () => {
    const { body } = await post('{"size":"big"}')
    expect(body['detail']).toBe('name: is required; size: expected number, received string.')
  })

  it('does without a body where it may', async () => {
    expect(await ask('/api/v1/things/maybe', { method: 'POST' })).toMatchObject({ status: 200, body: {} })
  })

  it('says when to ask again', async () => {
    const answer = await ask('/api/v1/things/busy')
    expect(answer).toMatchObject({ status: 503, body: { code: 'node_unreachable' } })
    expect(answer.headers.get('retry-after')).toBe('3')
  })

  it('tells nothing of a failure of its own', async () => {
    const answer = await ask('/api/v1/things/broken')
    expect(answer).toMatchObject({ status: 500, body: { code: 'internal' } })
    expect(JSON.stringify(answer.body)).not.toMatch(/secret/)
  })

  it('refuses a key without the scope', async () => {
    expect(await ask('/api/v1/things/admin')).toMatchObject({ status: 403, body: { code: 'scope_missing' } })
  })

  it('pages through a list by cursor', async () => {
    const seen: unknown[] = []
    for (let cursor = ''; ;) {
      const { body } = await ask(`/api/v1/things?limit=100${cursor}`)
      seen.push(...(body['data'] as unknown[]))
      if (body['nextCursor'] === undefined) break
      cursor = `&cursor=${String(body['nextCursor'])}`
    }
    expect(seen).toHaveLength(250)
    expect(await ask('/api/v1/things?cursor=bm9uc2Vuc2U')).toMatchObject({
      status: 400,
      body: { code: 'invalid_cursor' },
    })
    expect(await ask('/api/v1/things?limit=501')).toMatchObject({ status: 400, body: { code: 'invalid_request' } })
  })

  it('keeps a request id that it is given, and makes one instead of nonsense', async () => {
    const given = await ask('/livez', { headers: { 'X-Request-Id': 'abc-1' } })
    expect(given.headers.get('x-request-id')).toBe('abc-1')
    const made = await ask('/livez', { headers: { 'X-Request-Id': '<script>' } })
    expect(made.headers.get('x-request-id')).toMatch(/^req_/)
  })

  it('lets no page load anything from it or frame it', async () => {
    const { headers } = await ask('/livez')
    expect(headers.get('content-security-policy')).toMatch(/default-src 'none'.*frame-ancestors 'none'/)
    expect(headers.get('x-content-type-options')).toBe('nosniff')
    expect(headers.get('x-powered-by')).toBeNull()
  })

  it('answers a request that is not HTTP and goes on', async () => {
    const { port } = new URL(http.url())
    const said = await new Promise<string>((resolve) => {
      const socket = connect(Number(port), '127.0.0.1', () => socket.write('GARBAGE\r\n\r\n'))
      socket.on('data', (data) => resolve(String(data)))
    })
    expect(said).toMatch(/^HTTP\/1.1 400/)
    expect((await ask('/livez')).status).toBe(200)
  })
})

describe('stopping the HTTP server', () => {
  it('answers the request in hand, ends streams, and lets go of idle and silent connections', async () => {
    const http = server()
    await http.start()
    const idle = await fetch(`${http.url()}/livez`)
    await idle.text()
    const stream = await fetch(`${http.url()}/stream`)
    const slow = fetch(`${http.url()}/api/v1/things/slow`, { headers: { 'X-API-Key': 'right' } })
    // Opened ahead, as browsers and pools do.
    const silent = connect(Number(new URL(http.url()).port), '127.0.0.1')
    silent.on('error', () => undefined)
    await sleep(50)
    const begun = performance.now()
    const stopped = http.stop()
    const answer = await slow
    expect(answer.status).toBe(200)
    expect(answer.headers.get('connection')).toBe('close')
    expect(await stream.text()).toMatch(/event: first\ndata: {"n":1}/)
    await stopped
    expect(performance.now() - begun).toBeLessThan(5_000)
    await expect(fetch(`${http.url()}/livez`)).rejects.toThrow()
  })
})
