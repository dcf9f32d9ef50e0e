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
  const shown = async (session: string) =>
    (await test.ask('GET', `${API}/messages?session=${session}&limit=500`)).body.data as { id: string }[]

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

  it('keeps what it answered where nobody can read the text of a message', async () => {
    const session = await talk.linked()
    await send(session, 'canary text', aKey())
    const rows = await test.gateway.db.read((reader) => reader.query('SELECT * FROM idempotency_keys'))
    expect(rows).not.toHaveLength(0)
    expect(JSON.stringify(rows)).not.toMatch(/canary text|once/)
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
