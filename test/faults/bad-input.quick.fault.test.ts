import fc from 'fast-check'
import { expect } from 'vitest'
import { operations } from '../../gateway/openapi/operations.js'
import type { Operation } from '../../gateway/http/operation.js'
import { emptyDatabase } from '../databases.js'
import { badBodies } from './bad-bodies.js'
import { countBy } from './hooked-rig.js'
import { type RawAnswer, RawClient } from './raw-request.js'
import type { Rig } from './rig.js'
import { full, row } from './row.js'

/** Combined, outside of the first plane, and right to left. */
const EMOJI = '👩‍👩‍👧‍👦 𝄞 é 漢 مرحبا'
const preload = new URL('./no-outside.mjs', import.meta.url).href
const seed = Number(process.env['FAULT_SEED'] ?? Date.now() % 1e9)
const taking = operations.filter(({ method, body }) => ['post', 'put', 'patch'].includes(method) && body)

row(
  'F24',
  'bodies that are broken, strange or made at random',
  async ({ rig: make, finish, afterwards }) => {
    const said: string[] = []
    for (const name of full ? (['SQLite', 'MariaDB'] as const) : (['SQLite'] as const)) {
      const { url, remove } = await emptyDatabase({ name })
      afterwards(remove)
      const rig = await make({
        databaseUrl: url,
        env: () => ({ NODE_OPTIONS: `--no-deprecation --import ${preload}` }),
      })
      said.push(`${name}: ${await badInput(rig, afterwards)}`)
      await finish(rig)
    }
    return said.join('; ')
  },
  { timeoutMs: 300_000 },
)

async function badInput(rig: Rig, afterwards: (undo: () => Promise<unknown>) => void): Promise<string> {
  await rig.sandboxSession('one')
  const raw = new RawClient(rig.rest().url, rig.adminKey)
  afterwards(() => raw.close())
  const outcomes: string[] = []
  const wrong: string[] = []
  const look = (what: string, answer: RawAnswer, mayPass: boolean) => {
    const { status, code } = answer
    const refused = status >= 400 && status < 500 && code !== undefined
    if (!refused && !(mayPass && status < 400)) wrong.push(`${what}: ${status} ${answer.text.slice(0, 200)}`)
    outcomes.push(status < 400 ? 'taken' : String(code))
  }

  const bodies = taking.flatMap((op, number) =>
    badBodies(exampleOf(op))
      // In the quick form each route gets some, and each body goes to some.
      .filter((_, index) => full || (number + index) % 4 === 0)
      .map((bad) => ({ op, ...bad })),
  )
  await eachOf(bodies, async ({ op, name, body, type = 'application/json' }) => {
    const headers = { 'content-type': type }
    look(
      `${op.id}, ${name}`,
      await raw.ask({ method: op.method.toUpperCase(), path: pathOf(op), body, headers }),
      false,
    )
  })
  const made = fc.sample(fc.tuple(fc.constantFrom(...taking), fc.gen()), { numRuns: full ? 300 : 60, seed })
  await eachOf(made, async ([op, gen]) => {
    const body = JSON.stringify(mutated(exampleOf(op), gen))
    const headers = { 'content-type': 'application/json', prefer: 'wait=0' }
    const answer = await raw.ask({ method: op.method.toUpperCase(), path: pathOf(op), body, headers })
    look(`${op.id}, seed ${seed}: ${body.slice(0, 300)}`, answer, true)
  })
  const asked = operations.filter(isAnswered).flatMap((op) =>
    Object.keys(op.query?.shape ?? {}).flatMap((field) => {
      return badValues.map((value) => ({ op, query: `${field}=${value}` }))
    }),
  )
  await eachOf(full ? asked : asked.filter((_, index) => index % 6 === 0), async ({ op, query }) => {
    const answer = await raw.ask({ method: 'GET', path: `${pathOf(op)}?${query}` })
    look(`${op.id}?${query}`, answer, true)
  })
  for (const [what, body] of badForms()) {
    const headers = { 'content-type': 'multipart/form-data; boundary=b' }
    look(`a form with ${what}`, await raw.ask({ method: 'POST', path: '/api/v1/media', body, headers }), false)
  }
  expect(wrong).toEqual([])
  expect(rig.get('gateway-1').ended()).toBe(false)
  await emojiComesBack(rig)
  await nothingReplaced(rig)
  const codes = Object.entries(countBy(outcomes, (outcome) => outcome)).sort(([, one], [, other]) => other - one)
  return `${outcomes.length} requests to ${taking.length} routes, ${codes.map(([code, count]) => `${count} x ${code}`).join(', ')}`
}

/** Some at a time. */
async function eachOf<Item>(items: readonly Item[], work: (item: Item) => Promise<void>): Promise<void> {
  for (let at = 0; at < items.length; at += 8) await Promise.all(items.slice(at, at + 8).map(work))
}

/** A question below the API with an answer that ends. */
const isAnswered = ({ method, path, id }: Operation) =>
  method === 'get' && path.startsWith('/api/v1/') && !/stream/i.test(id)

/** In a query; some are taken, such as a text that nothing has. */
const badValues = [
  '',
  '%00',
  '%ff',
  '%F0%9F%90%88',
  '1e999',
  '-1',
  '1&limit=2',
  '%27%22%5C',
  '__proto__',
  'x'.repeat(5_000),
]

const pathOf = ({ path }: Operation) => path.replace('{session}', 'one').replace(/\{\w+\}/g, 'nothing')

function exampleOf({ body }: Operation): Record<string, unknown> {
  const [example] = Object.values(body?.examples ?? {})
  return (example ?? {}) as Record<string, unknown>
}

/** An example in which something is of another kind, empty, huge or strange. */
function mutated(example: Record<string, unknown>, gen: fc.GeneratorValue): unknown {
  const copy = structuredClone(example)
  const strange = fc.oneof(
    fc.jsonValue({ maxDepth: 4 }),
    fc.string({ unit: 'binary', maxLength: 50 }).map((text) => text.toWellFormed().replaceAll('\0', '')),
    fc.constantFrom(
      '',
      ' ',
      '0',
      'null',
      EMOJI,
      'x'.repeat(70_000),
      -1,
      1e308,
      2 ** 53,
      0.1,
      true,
      [],
      {},
      '%s%n',
      "' OR 1=1 --",
    ),
  )
  let place: Record<string, unknown> = copy
  for (;;) {
    const keys = Object.keys(place)
    if (keys.length === 0)
      return gen(
        fc.constant,
        gen(() => strange),
      )
    const key = gen(() => fc.constantFrom(...keys))
    const inner = place[key]
    if (typeof inner !== 'object' || inner === null || gen(fc.boolean)) {
      place[key] = gen(() => strange)
      return copy
    }
    place = inner as Record<string, unknown>
  }
}

function badForms(): [what: string, body: Buffer][] {
  const file = (name: Buffer, more: Buffer = Buffer.alloc(0)) =>
    Buffer.concat([
      ...[
        Buffer.from('--b\r\nContent-Disposition: form-data; name="file"; filename="'),
        name,
        Buffer.from('"\r\n\r\n'),
      ],
      ...[Buffer.from('hello\r\n'), more, Buffer.from('--b--\r\n')],
    ])
  const field = (name: string, value: Buffer) =>
    Buffer.concat([
      Buffer.from(`--b\r\nContent-Disposition: form-data; name="${name}"\r\n\r\n`),
      value,
      Buffer.from('\r\n'),
    ])
  const fine = Buffer.from('a.txt')
  return [
    ['a filename that is not UTF-8', file(Buffer.from([0x61, 0xff, 0xfe]))],
    ['a field that is not UTF-8', file(fine, field('caption', Buffer.from([0xc3, 0x28])))],
    ['a NUL in a field', file(fine, field('caption', Buffer.from([0x61, 0, 0x62])))],
    ['a field twice', file(fine, Buffer.concat([field('a', fine), field('a', fine)]))],
    ['no end', file(fine).subarray(0, 90)],
    ['nothing', Buffer.alloc(0)],
    ['noise', Buffer.from('----b\r\n\r\n\r\n--b')],
  ]
}

async function emojiComesBack(rig: Rig): Promise<void> {
  const rest = rig.rest()
  // What was made at random may have ended the other one.
  await rig.sandboxSession('two')
  const sent = await rest.post('/sessions/two/messages', { to: '+4915112345678', type: 'text', text: { body: EMOJI } })
  const { body: message } = await rest.get(`/messages/${sent.body.id}`)
  expect(Buffer.from(message.text.body as string)).toEqual(Buffer.from(EMOJI))
  await rest.patch('/sessions/two', { metadata: { note: EMOJI } })
  expect((await rest.get('/sessions/two')).body.metadata).toEqual({ note: EMOJI })
  const file = await rest.upload('/media', new Blob(['hello']), `${EMOJI}.txt`)
  expect(file.body.filename).toBe(`${EMOJI}.txt`)
  await rest.post('/sessions/two/sandbox/receive', { from: '+491700000001', type: 'text', text: { body: EMOJI } })
  const rows = await rig.database.rows<{ content: unknown }>(`SELECT content FROM messages WHERE id = '${message.id}'`)
  expect(String(rows[0]?.content)).toContain(EMOJI)
}

/** What could not be read was refused, not kept with a hole in it. */
async function nothingReplaced(rig: Rig): Promise<void> {
  for (const table of ['sessions', 'messages', 'events', 'webhooks', 'tenants', 'api_keys', 'media', 'audit']) {
    const rows = await rig.database.rows(`SELECT * FROM ${table}`)
    expect(rows.filter((one) => JSON.stringify(one).includes('\ufffd'))).toEqual([])
  }
}
