import { createHash, randomBytes } from 'node:crypto'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { databases } from '../../test/databases.js'
import { startTestGateway, type TestGateway } from '../../test/gateway.js'
import { ANNA, API, type Talk, talkThrough } from '../../test/messages.js'
import { until } from '../../test/until.js'

const PNG = Buffer.from(
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==',
  'base64',
)
const hash = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex')
/** A picture of this size: what follows the picture is not looked at. */
const picture = (size: number) => Buffer.concat([PNG, randomBytes(size - PNG.length)])

describe.each(databases())('media over REST on $name', (target) => {
  let test: TestGateway
  let talk: Talk
  let session: string
  let web: Server
  let aheadMs = 0
  const pages = new Map<string, { body: Buffer; type?: string; status?: number }>()

  beforeAll(async () => {
    test = await startTestGateway({ target, outside: { clock: () => Date.now() + aheadMs } })
    talk = talkThrough(test)
    session = await talk.linked()
    web = createServer((request, response) => {
      const page = pages.get(request.url ?? '')
      response.writeHead(page?.status ?? (page ? 200 : 404), page?.type ? { 'content-type': page.type } : {})
      response.end(page?.body)
    })
    await new Promise<void>((resolve) => web.listen(0, '127.0.0.1', resolve))
  })
  afterAll(async () => {
    web.closeAllConnections()
    web.close()
    await test.stop()
  })

  const url = (path: string) => `http://127.0.0.1:${(web.address() as AddressInfo).port}${path}`
  const upload = async (bytes: Buffer, type: string, name: string, query = '') => {
    const form = new FormData()
    form.set('file', new Blob([new Uint8Array(bytes)], { type }), name)
    const answer = await test.fetch(`${API}/media${query}`, { method: 'POST', body: form })
    return { status: answer.status, body: (await answer.json()) as Record<string, string> }
  }
  const fetchBytes = async (address: string, headers: Record<string, string> = {}) => {
    const answer = await test.fetch(new URL(address).pathname, { headers })
    return { answer, bytes: Buffer.from(await answer.arrayBuffer()) }
  }
  /** What the node was given for a message. */
  const onNode = async (sha256: string) => {
    const { chunks } = await test.nodes[0]!.client.downloadMedia(sha256)
    const parts: Buffer[] = []
    for await (const chunk of chunks) parts.push(chunk)
    return Buffer.concat(parts)
  }
  const leftovers = () => readdir(join(test.config.dataDir, 'media', 'incoming'))

  it('keeps an upload and gives it back, whole and in part', async () => {
    const bytes = picture(3 * 2 ** 20)
    const kept = await upload(bytes, 'text/html', '../../ä "quoted".png')
    expect(kept).toMatchObject({
      status: 201,
      body: {
        mimetype: 'image/png',
        size: bytes.length,
        sha256: hash(bytes),
        id: expect.stringMatching(/^med_/) as string,
      },
    })
    const path = `http://x${API}/media/${kept.body['id']}`
    const whole = await fetchBytes(path)
    expect(whole.bytes.equals(bytes)).toBe(true)
    expect(whole.answer.headers.get('x-content-type-options')).toBe('nosniff')
    expect(whole.answer.headers.get('content-disposition')).toMatch(/^attachment; filename/)
    expect(whole.answer.headers.get('content-disposition')).not.toMatch(/\.\.\//)
    const part = await fetchBytes(path, { Range: 'bytes=100-199' })
    expect(part.answer.status).toBe(206)
    expect(part.answer.headers.get('content-range')).toBe(`bytes 100-199/${bytes.length}`)
    expect(part.bytes.equals(bytes.subarray(100, 200))).toBe(true)
    const tail = await fetchBytes(path, { Range: 'bytes=-5' })
    expect(tail.bytes.equals(bytes.subarray(-5))).toBe(true)
    const etag = whole.answer.headers.get('etag') ?? ''
    expect(etag).toBe(`"${hash(bytes)}"`)
    const same = await fetchBytes(path, { Range: 'bytes=7-', 'If-Range': etag })
    expect(same.bytes.equals(bytes.subarray(7))).toBe(true)
    const other = await fetchBytes(path, { Range: 'bytes=7-', 'If-Range': '"other"' })
    expect([other.answer.status, other.bytes.length]).toEqual([200, bytes.length])
    expect((await fetchBytes(path, { 'If-None-Match': `"x", ${etag}` })).answer.status).toBe(304)
    const beyond = await test.fetch(new URL(path).pathname, { headers: { Range: `bytes=${bytes.length}-` } })
    expect([beyond.status, beyond.headers.get('content-range')]).toEqual([416, `bytes */${bytes.length}`])
    expect(beyond.headers.get('content-disposition')).toBeNull()
    expect(await beyond.json()).toMatchObject({ code: 'range_not_satisfiable' })
    const head = await test.fetch(new URL(path).pathname, { method: 'HEAD' })
    expect([head.status, head.headers.get('content-length')]).toEqual([200, String(bytes.length)])
    expect(head.headers.get('etag')).toBe(etag)
  })

  it.each([
    ['an empty file', Buffer.alloc(0), 'image/png', '', 422, 'media_unreadable'],
    ['what claims to be a picture', Buffer.from('not a picture'), 'image/png', '', 422, 'media_unreadable'],
    ['a picture above 16 MiB', picture(17 * 2 ** 20), 'image/png', '', 413, 'media_too_large'],
    ['a document above 64 MiB', Buffer.alloc(65 * 2 ** 20, 'a'), 'text/plain', '', 413, 'media_too_large'],
  ])('refuses %s', async (_what, bytes, type, query, status, code) => {
    expect(await upload(bytes, type, 'a', query)).toMatchObject({ status, body: { code } })
    expect(await leftovers()).toEqual([])
  })

  it('takes a large picture as a document, and refuses forms without a file', async () => {
    expect(await upload(picture(17 * 2 ** 20), 'image/png', 'a.png', '?type=document')).toMatchObject({ status: 201 })
    const form = new FormData()
    form.set('other', 'x')
    const none = await test.fetch(`${API}/media`, { method: 'POST', body: form })
    expect([none.status, ((await none.json()) as { code: string }).code]).toEqual([422, 'media_unreadable'])
    expect(await test.ask('POST', `${API}/media`, { file: 'x' })).toMatchObject({
      status: 415,
      body: { code: 'unsupported_content_type' },
    })
    expect(await test.ask('GET', `${API}/media/med_x`)).toMatchObject({
      status: 404,
      body: { code: 'media_not_found' },
    })
  })

  it('sends a file by id, URL and base64, byte for byte', async () => {
    const bytes = picture(700_000)
    const kept = await upload(bytes, 'image/png', 'cat.png')
    pages.set('/dir/film.mp4', { body: film(300_000), type: 'application/octet-stream' })
    const wanted = [
      { type: 'image', image: { id: kept.body['id'], caption: '🐈' } },
      { type: 'video', video: { url: url('/dir/film.mp4') } },
      {
        type: 'document',
        document: { base64: Buffer.from('a,b\n1,2\n').toString('base64'), mimetype: 'text/csv', filename: 'ü.csv' },
      },
    ]
    const sent = await Promise.all(
      wanted.map((message) => talk.send(session, { to: ANNA, ...message }, { Prefer: 'wait=20' })),
    )
    expect(sent.map(({ status }) => status)).toEqual([200, 200, 200])
    const [image, video, document] = sent.map(({ body }) => body)
    expect(image.image).toMatchObject({
      id: kept.body['id'],
      mimetype: 'image/png',
      sha256: hash(bytes),
      caption: '🐈',
    })
    expect(video.video).toMatchObject({ mimetype: 'video/mp4', filename: 'film.mp4', size: 300_000 })
    expect(document.document).toMatchObject({ mimetype: 'text/csv', filename: 'ü.csv', size: 8 })
    expect((await onNode(image.image.sha256)).equals(bytes)).toBe(true)
    expect((await onNode(video.video.sha256)).equals(pages.get('/dir/film.mp4')!.body)).toBe(true)
    expect((await onNode(document.document.sha256)).toString()).toBe('a,b\n1,2\n')
  })

  it('refuses addresses that answer badly', async () => {
    const ask = async (path: string, type = 'image') =>
      (await talk.send(session, { to: ANNA, type, [type]: { url: url(path) } })).body.code
    pages.set('/moved', { body: Buffer.alloc(0), status: 302 })
    pages.set('/large', { body: picture(17 * 2 ** 20) })
    pages.set('/html', { body: Buffer.from('<html>'), type: 'text/html' })
    expect(await ask('/missing')).toBe('url_refused')
    expect(await ask('/moved')).toBe('url_refused')
    expect(await ask('/large')).toBe('media_too_large')
    expect(await ask('/html')).toBe('media_type_mismatch')
    expect(await ask('/html', 'document')).toBeUndefined()
    const dead = { url: 'http://127.0.0.1:1/a.png' }
    expect(await talk.send(session, { to: ANNA, type: 'image', image: dead })).toMatchObject({
      status: 422,
      body: { code: 'url_unreachable' },
    })
    expect(await leftovers()).toEqual([])
  })

  it('keeps nothing of what comes with a message that is refused', async () => {
    const count = async () => {
      const [row] = await test.gateway.db.read((reader) => reader.query('SELECT COUNT(*) AS count FROM media'))
      const files = await readdir(join(test.config.dataDir, 'media'), { recursive: true, withFileTypes: true })
      return { rows: Number(row.count), files: files.filter((entry) => entry.isFile()).length }
    }
    const before = await count()
    const sendMedia = async (fields: Record<string, string>) => {
      const form = new FormData()
      for (const [name, value] of Object.entries(fields)) form.set(name, value)
      form.set('file', new Blob([new Uint8Array(PNG)], { type: 'image/png' }), 'a.png')
      return (await test.fetch(`${API}/messages/send-media`, { method: 'POST', body: form })).status
    }
    const stopped = await talk.linked()
    await test.ask('POST', `${API}/sessions/${stopped}/stop`)
    expect(await sendMedia({ session: stopped, recipient: ANNA })).toBe(409)
    expect(await sendMedia({ session, recipient: 'nobody' })).toBe(400)
    expect(await sendMedia({ session, recipient: ANNA, type: 'video' })).toBe(415)
    expect(await count()).toEqual(before)
    expect(await sendMedia({ session, recipient: ANNA })).toBe(200)
    expect(await count()).toEqual({ rows: before.rows + 1, files: before.files + 1 })
  })

  it('copies what comes in from the node, byte for byte', async () => {
    const bytes = picture(100_000)
    const image = { base64: bytes.toString('base64'), mimetype: 'image/png', caption: 'Look 🌅' }
    await talk.receive(session, { from: '+491700000002', type: 'image', image })
    await talk.receive(session, { from: '+491700000003', type: 'image', image })
    const [second, first] = await talk.listed(`session=${session}&direction=in&type=image`, 2)
    expect(first.image).toMatchObject({
      mimetype: 'image/png',
      size: bytes.length,
      sha256: hash(bytes),
      caption: 'Look 🌅',
    })
    for (const message of [first, second]) {
      expect((await fetchBytes(message.image.url)).bytes.equals(bytes)).toBe(true)
    }
    await until('the files are no longer pending', async () => {
      const { body } = await test.ask('GET', `${API}/messages/${second.id}`)
      return body.image.pending === undefined
    })
  })

  it('has URLs in events that need no key, for a while, and give nothing else', async () => {
    const image = { base64: PNG.toString('base64'), mimetype: 'image/png' }
    await talk.receive(session, { from: '+491700000004', type: 'image', image })
    const event = await until('the event', async () => {
      const { body } = await test.ask('GET', `${API}/events?type=message.received&limit=500`)
      return body.data.find((one: { data: { message: { from: string } } }) => one.data.message.from === '+491700000004')
    })
    const { url: signed, id, sha256, size } = event.data.message.image
    expect({ sha256, size }).toEqual({ sha256: hash(PNG), size: PNG.length })
    const open = (address: string, init: RequestInit = {}) => fetch(address, init)
    const file = await open(signed)
    expect(file.status).toBe(200)
    expect(file.headers.get('content-disposition')).toMatch(/^attachment/)
    expect(Buffer.from(await file.arrayBuffer()).equals(PNG)).toBe(true)
    expect((await open(signed, { headers: { Range: 'bytes=0-3' } })).status).toBe(206)
    const code = async (address: string, init?: RequestInit) => {
      const answer = await open(address, init)
      return [answer.status, ((await answer.json()) as { code: string }).code]
    }
    const other = (await upload(PNG, 'image/png', 'other.png')).body['id'] ?? ''
    expect(await code(signed.replace(id, other))).toEqual([403, 'signature_invalid'])
    expect(await code(signed.replace(/expires=(\d)/, 'expires=9'))).toEqual([403, 'signature_invalid'])
    expect(await code(signed.replace(/signature=.*/, 'signature='))).toEqual([403, 'signature_invalid'])
    expect(await code(signed.replace(/\?.*/, ''))).toEqual([401, 'api_key_missing'])
    expect(await code(signed, { method: 'DELETE' })).toEqual([401, 'api_key_missing'])
    expect(await code(signed.replace('/media/', '/messages/'))).toEqual([401, 'api_key_missing'])
    aheadMs = 3_601_000
    expect(await code(signed)).toEqual([410, 'url_expired'])
    aheadMs = 0
  })
})

/** The beginning of an MP4 file, and noise. */
function film(size: number): Buffer {
  const head = Buffer.from('000000186674797069736f6d0000000069736f6d6d703431', 'hex')
  return Buffer.concat([head, randomBytes(size - head.length)])
}
