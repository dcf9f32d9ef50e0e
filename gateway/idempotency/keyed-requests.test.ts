import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { databases } from '../../test/databases.js'
import { ANNA, API, type Talk, talkThrough } from '../../test/messages.js'
import { type Answer, startTestGateway, type TestGateway } from '../../test/gateway.js'
import { until } from '../../test/until.js'
import { idempotencyKeyTable } from './idempotency-key-table.js'

const PICTURE = Buffer.from(
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==',
  'base64',
)
const isReplay = ({ headers }: Pick<Answer, 'headers'>) => headers.get('idempotency-replayed') === 'true'

describe.each(databases())('Idempotency-Key of what calls a node or takes an upload, on $name', (target) => {
  let test: TestGateway
  let talk: Talk

  beforeAll(async () => {
    test = await startTestGateway({ target })
    talk = talkThrough(test)
  })
  afterAll(() => test.stop())

  const post = (path: string, body: unknown, key: string) =>
    test.ask('POST', API + path, body, { headers: { 'Idempotency-Key': key } })
  const shown = async (session: string) =>
    (await test.ask('GET', `${API}/messages?session=${session}`)).body.data as { id: string }[]
  const keys = () => test.gateway.db.read((reader) => reader.find(idempotencyKeyTable))

  it('makes one session, and goes on with the one of a gateway that died before it answered', async () => {
    const key = randomUUID()
    const wanted = { name: `keyed-${target.name.toLowerCase()}`, engine: 'sandbox' }
    const first = await post('/sessions', wanted, key)
    expect(first.status).toBe(201)
    const again = await post('/sessions', wanted, key)
    expect([again.status, again.body, isReplay(again)]).toEqual([201, first.body, true])
    expect(again.headers.get('location')).toBe(`${API}/sessions/${first.body.id}`)
    expect(await post('/sessions', { ...wanted, name: 'other' }, key)).toMatchObject({ status: 422 })

    // A refusal that would be the same is kept, too, and belongs to its own request.
    const taken = randomUUID()
    const refusals = [await post('/sessions', wanted, taken), await post('/sessions', wanted, taken)]
    expect(refusals.map(({ status, body }) => [status, body.code])).toEqual([0, 1].map(() => [409, 'session_exists']))
    expect(refusals.map(isReplay)).toEqual([false, true])
    expect(refusals[0]!.body.requestId).not.toBe(refusals[1]!.body.requestId)

    const died = { holder: 'hld_died', answer: null } as const
    const lease = (leaseUntil: number) =>
      test.gateway.db.write((tx) =>
        tx.update(idempotencyKeyTable, { made: first.body.id }, { ...died, leaseUntil } as object),
      )
    await lease(Date.now() + 60_000)
    expect(await post('/sessions', wanted, key)).toMatchObject({
      status: 409,
      body: { code: 'idempotency_in_progress' },
    })
    await lease(Date.now() - 1)
    const takenOver = await post('/sessions', wanted, key)
    expect([takenOver.status, takenOver.body.id, isReplay(takenOver)]).toEqual([201, first.body.id, false])
    expect(isReplay(await post('/sessions', wanted, key))).toBe(true)
  })

  it('does once what is asked of a session, and shows a QR as it is now', async () => {
    const session = await talk.linked()
    const [stop, start, init] = [randomUUID(), randomUUID(), randomUUID()]
    expect(isReplay(await post(`/sessions/${session}/stop`, undefined, stop))).toBe(false)
    await post(`/sessions/${session}/start`, undefined, start)
    await talk.sessionReads(session, 'connected')
    const stopped = await post(`/sessions/${session}/stop`, undefined, stop)
    expect([stopped.status, stopped.body.status, isReplay(stopped)]).toEqual([200, 'stopped', true])
    await talk.sessionReads(session, 'connected')

    const name = `init-${target.name.toLowerCase()}`
    const wanted = { session: name, engine: 'sandbox' }
    const both = [await post('/sessions/init', wanted, init), await post('/sessions/init', wanted, init)]
    expect(both.map(isReplay)).toEqual([false, true])
    for (const { body } of both) expect(body).toMatchObject({ session: { name }, qr: expect.any(String) as string })
    const stored = JSON.stringify(await keys())
    for (const { body } of both) expect(stored).not.toContain(body.qr.slice(0, 40))
  })

  it('lets a message arrive once of which the node did not say that it had', async () => {
    const session = await talk.linked()
    const key = randomUUID()
    const receive = () =>
      post(`/sessions/${session}/sandbox/receive`, { from: ANNA, type: 'text', text: { body: 'once' } }, key)
    const first = await receive()
    expect(first.status).toBe(201)
    // As after a 5xx: nothing is known but that it was begun.
    const failed = { holder: 'hld_failed', leaseUntil: 0, answer: null } as object
    const made = first.body.waMessageId as string
    await test.gateway.db.write((tx) => tx.update(idempotencyKeyTable, { made }, failed))
    const again = await receive()
    expect([again.status, again.body.waMessageId, isReplay(again)]).toEqual([201, made, false])
    await post(
      `/sessions/${session}/sandbox/receive`,
      { from: ANNA, type: 'text', text: { body: 'two' } },
      randomUUID(),
    )
    expect((await talk.listed(`session=${session}&direction=in`, 2)).map(({ text }) => text.body)).toEqual([
      'two',
      'once',
    ])
  })

  it('keeps an upload once, refuses another file, and asks for patience while it is coming', async () => {
    const key = randomUUID()
    const upload = async (path: string, content: Buffer, fields: Record<string, string> = {}) => {
      const form = new FormData()
      for (const [name, value] of Object.entries(fields)) form.set(name, value)
      form.set('file', new Blob([new Uint8Array(content)], { type: 'image/png' }), 'a.png')
      const headers = { 'Idempotency-Key': key }
      const answer = await test.fetch(API + path, { method: 'POST', body: form, headers })
      return { status: answer.status, headers: answer.headers, body: (await answer.json()) as Record<string, string> }
    }
    // The first one has begun, and its file is still on its way.
    const pieces = multipart('a.png', PICTURE)
    let finish!: () => void
    const body = new ReadableStream<Uint8Array>({
      start(controller) {
        controller.enqueue(pieces.slice(0, 150))
        finish = () => {
          controller.enqueue(pieces.slice(150))
          controller.close()
        }
      },
    })
    const headers = { 'Idempotency-Key': key, 'Content-Type': 'multipart/form-data; boundary=b' }
    const known = (await keys()).length
    const slow = test.fetch(`${API}/media`, { method: 'POST', body, headers, duplex: 'half' } as RequestInit)
    await until('the key is claimed', async () => (await keys()).length > known)
    expect(await upload('/media', PICTURE)).toMatchObject({ status: 409, body: { code: 'idempotency_in_progress' } })
    finish()
    const first = await slow
    const { id } = (await first.json()) as { id: string }
    expect(first.status).toBe(201)
    const again = await upload('/media', PICTURE)
    expect([again.status, again.body['id'], isReplay(again)]).toEqual([201, id, true])
    const other = await upload('/media', Buffer.concat([PICTURE, Buffer.from('x')]))
    expect(other).toMatchObject({ status: 422, body: { code: 'idempotency_key_reused' } })

    const session = await talk.linked()
    const fields = { session, recipient: ANNA, caption: 'once' }
    const sent = [
      await upload('/messages/send-media', PICTURE, fields),
      await upload('/messages/send-media', PICTURE, fields),
    ]
    expect(sent.map(({ status }) => status)).toEqual([200, 200])
    expect(sent.map(isReplay)).toEqual([false, true])
    expect(sent[1]!.body['id']).toBe(sent[0]!.body['id'])
    const changed = await upload('/messages/send-media', PICTURE, { ...fields, caption: 'twice' })
    expect(changed).toMatchObject({ status: 422 })

    const short = { session, recipient: ANNA, message: 'short' }
    const texts = [await post('/messages/send-text', short, key), await post('/messages/send-text', short, key)]
    expect(texts.map(({ status }) => status)).toEqual([200, 200])
    expect(texts[1]!.body.id).toBe(texts[0]!.body.id)
    expect(await shown(session)).toHaveLength(2)
  })
})

function multipart(filename: string, content: Buffer): Uint8Array {
  const head = `--b\r\nContent-Disposition: form-data; name="file"; filename="${filename}"\r\nContent-Type: image/png\r\n\r\n`
  return new Uint8Array(Buffer.concat([Buffer.from(head), content, Buffer.from('\r\n--b--\r\n')]))
}
