import { randomUUID } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import bunyan from 'bunyan'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { MessageId } from '../../proto/contract.js'
import { databases } from '../../test/databases.js'
import { ADMIN_KEY, type Answer, startTestGateway, type TestGateway } from '../../test/gateway.js'
import { API, type Talk, talkThrough, text } from '../../test/messages.js'
import { until } from '../../test/until.js'
import { createGateway, type Gateway } from '../gateway.js'
import { idempotencyKeyTable } from './idempotency-key-table.js'

const PNG = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=='
const HOUR_MS = 3_600_000
const CANARY = 'canary-5c1f'

/** A key of its own, told apart in the log. */
const aKey = () => `${CANARY}-${randomUUID()}`
const isReplay = ({ headers }: Pick<Answer, 'headers'>) => headers.get('idempotency-replayed') === 'true'
const many = <T>(count: number, make: (i: number) => T) => Array.from({ length: count }, (_, i) => make(i))

describe.each(databases())('Idempotency-Key on $name', (target) => {
  let test: TestGateway
  let talk: Talk
  let passedMs = 0
  const lines: string[] = []
  const log = bunyan.createLogger({
    name: 'test',
    level: 'trace',
    stream: { write: (line: string) => lines.push(line) } as unknown as NodeJS.WritableStream,
    serializers: { err: bunyan.stdSerializers.err },
  })
  const outside = { log, clock: () => Date.now() + passedMs }

  beforeAll(async () => {
    test = await startTestGateway({ target, outside })
    talk = talkThrough(test)
  })
  afterAll(() => test.stop())

  const send = (session: string, body: string, key: string, headers = {}) =>
    talk.send(session, text(body), { 'Idempotency-Key': key, ...headers })
  const post = (path: string, body: unknown, key: string) =>
    test.ask('POST', API + path, body, { headers: { 'Idempotency-Key': key } })
  const shown = async (session: string) =>
    (await test.ask('GET', `${API}/messages?session=${session}&limit=500`)).body.data as { id: string }[]
  const keys = () => test.gateway.db.read((reader) => reader.find(idempotencyKeyTable))

  it('makes one message of 100 equal requests at once, and answers them all alike', async () => {
    const session = await talk.linked()
    const key = aKey()
    const answers = await Promise.all(many(100, () => send(session, 'once', key)))
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([202]))
    expect(new Set(answers.map(({ body }) => JSON.stringify(body))).size).toBe(1)
    expect(answers.filter(isReplay)).toHaveLength(99)
    const { id } = answers[0]!.body
    for (const { headers } of answers) expect(headers.get('location')).toBe(`${API}/messages/${id}`)
    expect(await shown(session)).toMatchObject([{ id }])

    await talk.reaches(id, 'delivered')
    const later = await send(session, 'once', key)
    expect([later.status, later.body, isReplay(later)]).toEqual([202, answers[0]!.body, true])
    // Who waits is told of the message as it is.
    const waiting = await send(session, 'once', key, { Prefer: 'wait=5' })
    expect([waiting.status, waiting.body.id, isReplay(waiting)]).toEqual([200, id, true])
    expect(waiting.body.status).toBe('delivered')
  })

  it('refuses another body or session under the key, and knows the same body in other words', async () => {
    const [session, other] = [await talk.linked(), await talk.linked()]
    const key = aKey()
    const first = await send(session, 'one', key)
    for (const again of [await send(session, 'two', key), await send(other, 'one', key)]) {
      expect(again).toMatchObject({ status: 422, body: { code: 'idempotency_key_reused' } })
    }
    const { to, type, text: content } = text('one')
    const reordered = await talk.send(session, { text: content, type, to }, { 'Idempotency-Key': key })
    expect([reordered.body.id, isReplay(reordered)]).toEqual([first.body.id, true])
    expect(await shown(session)).toHaveLength(1)
    expect(await shown(other)).toHaveLength(0)
  })

  it('tells keys of many requests apart', async () => {
    const session = await talk.linked()
    const own = many(40, aKey)
    const answers = await Promise.all(many(200, (i) => send(session, `${i % 40}`, own[i % 40]!)))
    expect(new Set(answers.map(({ body }) => body.id as string)).size).toBe(40)
    expect(answers.filter(isReplay)).toHaveLength(160)
    // Two that differ, at the same moment: one of them is the first.
    const key = aKey()
    const both = await Promise.all([send(session, 'left', key), send(session, 'right', key)])
    expect(both.map(({ status }) => status).toSorted()).toEqual([202, 422])
    expect(await shown(session)).toHaveLength(41)
  })

  it('leaves the key free when nothing was made, and remembers what was when the session is stopped', async () => {
    const session = await talk.linked()
    const [refused, kept] = [aKey(), aKey()]
    const first = await send(session, 'kept', kept)
    await test.ask('POST', `${API}/sessions/${session}/stop`)
    expect(await send(session, 'refused', refused)).toMatchObject({ status: 409, body: { code: 'not_ready' } })
    const again = await send(session, 'kept', kept)
    expect([again.status, again.body.id, isReplay(again)]).toEqual([202, first.body.id, true])
    await test.ask('POST', `${API}/sessions/${session}/start`)
    await talk.sessionReads(session, 'connected')
    const accepted = await send(session, 'refused', refused)
    expect([accepted.status, isReplay(accepted)]).toEqual([202, false])
  })

  it.each([
    ['empty', ''],
    ['with a blank', 'a b'],
    ['too long', 'x'.repeat(256)],
    ['not ASCII', 'schlüssel'],
  ])('refuses a key that is %s', async (_, key) => {
    expect(await send('nobody', 'hi', key)).toMatchObject({ status: 400, body: { code: 'invalid_idempotency_key' } })
  })

  it('fetches a file for one of many equal requests', async () => {
    const session = await talk.linked()
    const key = aKey()
    const image = { to: '+4915112345678', type: 'image', image: { base64: PNG, mimetype: 'image/png' } }
    const ask = () => talk.send(session, image, { 'Idempotency-Key': key })
    const answers = await Promise.all(many(10, ask))
    const accepted = answers.filter(({ status }) => status === 202)
    const waiting = answers.filter(({ status }) => status !== 202)
    expect(accepted.filter((answer) => !isReplay(answer))).toHaveLength(1)
    for (const answer of waiting) {
      expect(answer).toMatchObject({ status: 409, body: { code: 'idempotency_in_progress' } })
      expect(answer.headers.get('retry-after')).toBe('1')
    }
    const again = await ask()
    expect([again.status, again.body.id, isReplay(again)]).toEqual([202, accepted[0]!.body.id, true])
    expect(await shown(session)).toHaveLength(1)
  })

  it('makes one session, and goes on with the one of a gateway that died before it answered', async () => {
    const key = aKey()
    const wanted = { name: `keyed-${target.name.toLowerCase()}`, engine: 'sandbox' }
    const first = await post('/sessions', wanted, key)
    expect(first.status).toBe(201)
    const again = await post('/sessions', wanted, key)
    expect([again.status, again.body, isReplay(again)]).toEqual([201, first.body, true])
    expect(again.headers.get('location')).toBe(`${API}/sessions/${first.body.id}`)
    expect(await post('/sessions', { ...wanted, name: 'other' }, key)).toMatchObject({ status: 422 })

    // A refusal that would be the same is kept, too, and belongs to its own request.
    const taken = aKey()
    const refusals = [await post('/sessions', wanted, taken), await post('/sessions', wanted, taken)]
    expect(refusals.map(({ status, body }) => [status, body.code])).toEqual(many(2, () => [409, 'session_exists']))
    expect(refusals.map(isReplay)).toEqual([false, true])
    expect(refusals[0]!.body.requestId).not.toBe(refusals[1]!.body.requestId)

    const died = { holder: 'hld_died', answer: null } as const
    const lease = (leaseUntil: number) =>
      test.gateway.db.write((tx) =>
        tx.update(idempotencyKeyTable, { made: first.body.id }, { ...died, leaseUntil } as object),
      )
    await lease(outside.clock() + 60_000)
    expect(await post('/sessions', wanted, key)).toMatchObject({
      status: 409,
      body: { code: 'idempotency_in_progress' },
    })
    await lease(outside.clock() - 1)
    const takenOver = await post('/sessions', wanted, key)
    expect([takenOver.status, takenOver.body.id, isReplay(takenOver)]).toEqual([201, first.body.id, false])
    expect(isReplay(await post('/sessions', wanted, key))).toBe(true)
  })

  it('does once what is asked of a session, and shows a QR as it is now', async () => {
    const session = await talk.linked()
    const [stop, start, init] = [aKey(), aKey(), aKey()]
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

  it('keeps an upload once, refuses another file, and asks for patience while it is coming', async () => {
    const key = aKey()
    const upload = async (path: string, content: Buffer, fields: Record<string, string> = {}) => {
      const form = new FormData()
      for (const [name, value] of Object.entries(fields)) form.set(name, value)
      form.set('file', new Blob([new Uint8Array(content)], { type: 'image/png' }), 'a.png')
      const headers = { 'Idempotency-Key': key }
      const answer = await test.fetch(API + path, { method: 'POST', body: form, headers })
      return { status: answer.status, headers: answer.headers, body: (await answer.json()) as Record<string, string> }
    }
    const picture = Buffer.from(PNG, 'base64')
    // The first one has begun, and its file is still on its way.
    const pieces = multipart('a.png', picture)
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
    expect(await upload('/media', picture)).toMatchObject({ status: 409, body: { code: 'idempotency_in_progress' } })
    finish()
    const first = await slow
    const { id } = (await first.json()) as { id: string }
    expect(first.status).toBe(201)
    const again = await upload('/media', picture)
    expect([again.status, again.body['id'], isReplay(again)]).toEqual([201, id, true])
    const other = await upload('/media', Buffer.concat([picture, Buffer.from('x')]))
    expect(other).toMatchObject({ status: 422, body: { code: 'idempotency_key_reused' } })

    const session = await talk.linked()
    const fields = { session, recipient: '+4915112345678', caption: 'once' }
    const sent = [
      await upload('/messages/send-media', picture, fields),
      await upload('/messages/send-media', picture, fields),
    ]
    expect(sent.map(({ status }) => status)).toEqual([200, 200])
    expect(sent.map(isReplay)).toEqual([false, true])
    expect(sent[1]!.body['id']).toBe(sent[0]!.body['id'])
    const changed = await upload('/messages/send-media', picture, { ...fields, caption: 'twice' })
    expect(changed).toMatchObject({ status: 422 })

    const short = { session, recipient: '+4915112345678', message: 'short' }
    const texts = [await post('/messages/send-text', short, key), await post('/messages/send-text', short, key)]
    expect(texts.map(({ status }) => status)).toEqual([200, 200])
    expect(texts[1]!.body.id).toBe(texts[0]!.body.id)
    expect(await shown(session)).toHaveLength(2)
  })

  it('remembers a key over a restart, for 72 hours', async () => {
    const session = await talk.linked()
    const key = aKey()
    const { body } = await send(session, 'kept', key)
    await talk.reaches(body.id, 'delivered')
    await test.gateway.stop()
    const again = createGateway(test.config, outside)
    await again.start()
    try {
      const ask = askOf(again)
      const path = `/sessions/${session}/messages`
      await until('the session takes messages', async () => (await ask(path, text('warm'), aKey())).status === 202)
      passedMs = 71 * HOUR_MS
      const replayed = await ask(path, text('kept'), key)
      expect([replayed.body.id, isReplay(replayed)]).toEqual([body.id, true])
      passedMs = 72 * HOUR_MS + 1_000
      const renewed = await ask(path, text('kept'), key)
      expect([renewed.status, isReplay(renewed)]).toEqual([202, false])
      expect(renewed.body.id).not.toBe(body.id)
      expect((await ask(path, text('kept'), key)).body.id).toBe(renewed.body.id)
    } finally {
      await again.stop()
      passedMs = 0
      await test.gateway.start()
      await talk.linked()
    }
  })

  it('says nothing of keys in the log', () => {
    expect(lines.length).toBeGreaterThan(100)
    expect(lines.filter((line) => line.includes(CANARY))).toEqual([])
  })
})

describe('Idempotency-Key on two gateways with one MariaDB', () => {
  it('lets the unique key decide which of equal requests is the first', async () => {
    const test = await startTestGateway({ target: { name: 'MariaDB' } })
    const dataDir = await mkdtemp(join(tmpdir(), 'switchboard-second-'))
    const second = createGateway({ ...test.config, dataDir }, { log: bunyan.createLogger({ name: 'b', streams: [] }) })
    await second.start()
    try {
      const session = await talkThrough(test).linked()
      const both = [askOf(test.gateway), askOf(second)] as const
      for (let round = 0; round < 5; round++) {
        const key = aKey()
        const answers = await Promise.all(
          many(40, (i) => both[i % 2 === 0 ? 0 : 1](`/sessions/${session}/messages`, text(`round ${round}`), key)),
        )
        expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([202]))
        expect(new Set(answers.map(({ body }) => body.id as MessageId)).size).toBe(1)
        expect(answers.filter(isReplay)).toHaveLength(39)
      }
      const { body } = await test.ask('GET', `${API}/messages?session=${session}`)
      expect(body.data).toHaveLength(5)

      const key = aKey()
      const made = await Promise.all(
        many(10, (i) => both[i % 2 === 0 ? 0 : 1]('/sessions', { name: 'both', engine: 'sandbox' }, key)),
      )
      const statuses = made.map(({ status, body: { code } }) => (status === 201 ? 201 : `${status} ${code}`))
      expect(statuses.filter((status) => status !== 201 && status !== '409 idempotency_in_progress')).toEqual([])
      expect(made.filter((answer) => answer.status === 201 && !isReplay(answer))).toHaveLength(1)
    } finally {
      await second.stop()
      await test.stop()
      await rm(dataDir, { recursive: true, force: true })
    }
  })
})

/** POSTs to one of several gateways. */
function askOf(gateway: Gateway) {
  return async (path: string, body: unknown, key: string): Promise<Answer> => {
    const answer = await fetch(gateway.localUrl() + API + path, {
      method: 'POST',
      headers: { 'X-API-Key': ADMIN_KEY, 'Content-Type': 'application/json', 'Idempotency-Key': key },
      body: JSON.stringify(body),
    })
    return { status: answer.status, headers: answer.headers, body: await answer.json() }
  }
}

function multipart(filename: string, content: Buffer): Uint8Array {
  const head = `--b\r\nContent-Disposition: form-data; name="file"; filename="${filename}"\r\nContent-Type: image/png\r\n\r\n`
  return new Uint8Array(Buffer.concat([Buffer.from(head), content, Buffer.from('\r\n--b--\r\n')]))
}
