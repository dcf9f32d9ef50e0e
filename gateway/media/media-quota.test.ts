/** Files of a tenant that may keep so much, on one gateway and on two with a bucket between them. */
import { createHash, randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { silentLog } from '../../runtime/log.js'
import { databases } from '../../test/databases.js'
import { ADMIN_KEY, startTestGateway, type TestGateway } from '../../test/gateway.js'
import { ANNA, API, type Talk, talkThrough } from '../../test/messages.js'
import { S3Server } from '../../test/s3-server.js'
import { until } from '../../test/until.js'
import { createGateway } from '../gateway.js'

const SIZE = 10_000
const PNG = Buffer.from(
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==',
  'base64',
)
const picture = (size = SIZE) => Buffer.concat([PNG, randomBytes(size - PNG.length)])
const hash = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex')

describe.each(databases())('what a tenant keeps on $name', (target) => {
  const s3 = new S3Server()
  let test: TestGateway
  let talk: Talk
  let session: string
  /** The second gateway; on SQLite there is one, and that keeps its files itself. */
  let other: string
  let stopOther = () => Promise.resolve()

  beforeAll(async () => {
    await s3.start()
    const config = target.name === 'SQLite' ? {} : { s3: s3.settings() }
    test = await startTestGateway({ target, config })
    talk = talkThrough(test)
    other = target.name === 'SQLite' ? test.gateway.localUrl() : await startAnother()
  })
  beforeEach(async () => {
    session = await talk.linked()
  })
  afterEach(async () => {
    await limit(null)
    const { body } = await test.ask('GET', `${API}/media?limit=500`)
    await Promise.all(body.data.map(({ id }: { id: string }) => test.ask('DELETE', `${API}/media/${id}`)))
  })
  afterAll(async () => {
    await stopOther()
    await test.stop()
    await s3.stop()
  })

  const startAnother = async () => {
    const dataDir = await mkdtemp(join(tmpdir(), 'switchboard-gateway-'))
    const gateway = createGateway({ ...test.config, dataDir }, { log: silentLog() })
    await gateway.start()
    stopOther = async () => {
      await gateway.stop()
      await rm(dataDir, { recursive: true })
    }
    return gateway.localUrl()
  }
  const limit = (mediaBytes: number | null) => test.gateway.tenants.change('default', { limits: { mediaBytes } })
  const upload = async (bytes: Buffer, url = test.gateway.localUrl()) => {
    const form = new FormData()
    form.set('file', new Blob([new Uint8Array(bytes)]), 'a.png')
    const init = { method: 'POST', body: form, headers: { 'X-API-Key': ADMIN_KEY } }
    const answer = await fetch(`${url}${API}/media`, init)
    return { status: answer.status, body: (await answer.json()) as { id: string; code?: string } }
  }
  const open = async (id: string, url = test.gateway.localUrl(), headers: Record<string, string> = {}) => {
    const answer = await fetch(`${url}${API}/media/${id}`, { headers: { 'X-API-Key': ADMIN_KEY, ...headers } })
    return { status: answer.status, bytes: Buffer.from(await answer.arrayBuffer()) }
  }
  const told = async () => {
    const { body } = await test.ask('GET', `${API}/events?type=quota.warning,quota.reached`)
    return body.data.map(({ type, data }: { type: string; data: object }) => ({ type, ...data }))
  }
  const kept = async () => (await test.ask('GET', `${API}/usage`)).body.media

  it('is no more than it may, however many upload at once; deleting makes room', async () => {
    await limit(5 * SIZE)
    const answers = await Promise.all(
      Array.from({ length: 20 }, (_, index) => upload(picture(), index % 2 ? other : test.gateway.localUrl())),
    )
    const there = answers.filter(({ status }) => status === 201).map(({ body }) => body.id)
    expect(there).toHaveLength(5)
    expect(answers.filter(({ body }) => body.code === 'media_quota_exceeded')).toHaveLength(15)
    expect(answers.every(({ status }) => status === 201 || status === 507)).toBe(true)
    expect(await kept()).toEqual({ files: 5, bytes: 5 * SIZE, limit: 5 * SIZE })
    if (target.name === 'MariaDB') expect(s3.objects.size).toBe(5)
    const said = { quota: 'mediaBytes', limit: 5 * SIZE }
    expect(await told()).toEqual([
      { ...said, type: 'quota.warning', used: 4 * SIZE },
      { ...said, type: 'quota.reached', used: 5 * SIZE },
    ])

    const deletions = await Promise.all([0, 1].map((at) => test.ask('DELETE', `${API}/media/${there[at]}`)))
    expect(deletions.map(({ status }) => status)).toEqual([204, 204])
    expect(await test.ask('DELETE', `${API}/media/${there[0]}`)).toMatchObject({ status: 404 })
    expect(await kept()).toMatchObject({ files: 3, bytes: 3 * SIZE })
    const { body: list } = await test.ask('GET', `${API}/media?limit=2`)
    const { body: rest } = await test.ask('GET', `${API}/media?limit=2&cursor=${list.nextCursor}`)
    const ids = [...list.data, ...rest.data].map(({ id }: { id: string }) => id)
    expect(ids).toEqual(there.slice(2).sort().reverse())
    expect((await upload(picture(3 * SIZE))).status).toBe(507)
    expect((await upload(picture(2 * SIZE))).status).toBe(201)
    // Below the warning in between: said anew.
    expect((await told()).map(({ type }: { type: string }) => type)).toEqual(['quota.warning', 'quota.reached'])
  })

  it('stays on the node where there is no room for it, and comes when there is', async () => {
    await limit(SIZE)
    const first = await upload(picture())
    const bytes = picture()
    const image = { base64: bytes.toString('base64'), mimetype: 'image/png' }
    await talk.receive(session, { from: '+491700000002', type: 'image', image })
    const [message] = await talk.listed(`session=${session}&direction=in&type=image`, 1)
    const shown = async () => (await test.ask('GET', `${API}/messages/${message.id}`)).body.image
    await until('it is known why', async () => (await shown()).pendingReason === 'media_quota_exceeded')
    // Nothing of it is lost: it is passed on from the node.
    expect((await open(message.image.id)).bytes.equals(bytes)).toBe(true)
    const part = await open(message.image.id, undefined, { Range: 'bytes=-100' })
    expect([part.status, part.bytes.equals(bytes.subarray(-100))]).toEqual([206, true])
    expect(await kept()).toMatchObject({ files: 1, bytes: SIZE })
    const resent = await talk.send(session, { to: ANNA, type: 'image', image: { id: message.image.id } })
    expect(resent).toMatchObject({ status: 507, body: { code: 'media_quota_exceeded' } })
    // The same picture again: what one message has must not be taken from the other.
    await talk.receive(session, { from: '+491700000003', type: 'image', image })
    const both = await talk.listed(`session=${session}&direction=in&type=image`, 2)
    const ids: string[] = both.map(({ image: { id } }: { image: { id: string } }) => id)
    const waiting = async () => {
      const { body } = await test.ask('GET', `${API}/media?direction=in`)
      return body.data.filter(({ pending }: { pending?: true }) => pending).length
    }
    await test.ask('DELETE', `${API}/media/${first.body.id}`)
    await until('one is here', async () => (await waiting()) === 1)
    expect(await kept()).toMatchObject({ files: 1, bytes: SIZE })
    for (const id of ids) expect(hash((await open(id)).bytes)).toBe(hash(bytes))
    const { body: list } = await test.ask('GET', `${API}/media?direction=in`)
    const here = list.data.find(({ pending }: { pending?: true }) => !pending).id as string
    expect(await test.ask('DELETE', `${API}/media/${here}`)).toMatchObject({ status: 204 })
    await until('the other is here', async () => (await waiting()) === 0)
    const other = ids.find((id) => id !== here) ?? ''
    expect(hash((await open(other)).bytes)).toBe(hash(bytes))
    expect(await test.ask('DELETE', `${API}/media/${other}`)).toMatchObject({ status: 204 })
    expect(await kept()).toMatchObject({ files: 0, bytes: 0 })
  })

  it('is not deleted while a message has to be sent with it', async () => {
    const { body } = await upload(picture())
    const send = () => talk.send(session, { to: ANNA, type: 'image', image: { id: body.id } })
    const first = await send()
    await talk.reaches(first.body.id, 'delivered')
    await test.ask('PATCH', `${API}/sessions/${session}`, { pacing: { gapMs: 600_000, jitterMs: 0 } })
    const waiting = await send()
    expect(await test.ask('DELETE', `${API}/media/${body.id}`)).toMatchObject({
      status: 409,
      body: { code: 'media_in_use' },
    })
    expect((await test.ask('DELETE', `${API}/messages/${waiting.body.id}`)).status).toBe(200)
    expect(await test.ask('DELETE', `${API}/media/${body.id}`)).toMatchObject({ status: 204 })
    expect((await open(body.id)).status).toBe(404)
    const late = await send()
    expect(late).toMatchObject({ status: 422, body: { code: 'media_not_found' } })
  })

  if (target.name !== 'MariaDB') return

  it('is on every gateway that shares the bucket, in part, too', async () => {
    const bytes = picture(3 * 2 ** 20)
    const { body } = await upload(bytes)
    expect(hash((await open(body.id, other)).bytes)).toBe(hash(bytes))
    const part = await open(body.id, other, { Range: 'bytes=100-199' })
    expect([part.status, part.bytes.equals(bytes.subarray(100, 200))]).toEqual([206, true])
    const image = { base64: picture(700).toString('base64'), mimetype: 'image/png' }
    await talk.receive(session, { from: '+491700000003', type: 'image', image })
    const [message] = await talk.listed(`session=${session}&direction=in&type=image`, 1)
    const all = await Promise.all([open(message.image.id, other), open(message.image.id)])
    expect(all.map(({ bytes }) => bytes.toString('base64'))).toEqual([image.base64, image.base64])
    expect(await kept()).toMatchObject({ files: 2, bytes: bytes.length + 700 })
    s3.failures.push(503, 503, 503)
    expect(await open(body.id, other)).toMatchObject({ status: 503 })
    s3.objects.clear()
    expect(await open(body.id, other)).toMatchObject({ status: 410 })
  })
})
