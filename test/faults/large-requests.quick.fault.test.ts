import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { expect } from 'vitest'
import { type RawAnswer, chunked, dribble, head, sendRaw } from './raw-http.js'
import { full, row } from './row.js'

const MIB = 2 ** 20
const GIB = 2 ** 30
const SLOW_SOCKETS = 500
const MOST_GROWTH = 50 * MIB

const json = { 'Content-Type': 'application/json' }
const form = { 'Content-Type': 'multipart/form-data; boundary=edge' }
const gzip = { 'Content-Encoding': 'gzip' }
const endless = { 'Transfer-Encoding': 'chunked' }
const part = (name: string, more = '') => `--edge\r\nContent-Disposition: form-data; name="${name}"${more}\r\n\r\n`

const large = Buffer.from(
  JSON.stringify({ to: '+4915112345678', type: 'text', text: { body: 'x'.repeat(257 * 1024) } }),
)
const bomb = gzipSync(Buffer.alloc(64 * MIB))
const fields = Buffer.from(`${Array.from({ length: 10_000 }, (_, n) => `${part(`f${n}`)}1\r\n`).join('')}--edge--\r\n`)
const picture = Buffer.concat([
  Buffer.from(part('file', '; filename="a.png"\r\nContent-Type: image/png')),
  Buffer.from('89504e470d0a1a0a0000000d49484452', 'hex'),
])
const whole = (body: Buffer) => ({ 'Content-Length': String(body.length) })

interface Attack {
  what: string
  status: number
  code?: string
  path: 'messages' | 'media'
  headers: Record<string, string>
  body: () => Iterable<Buffer>
}

const attacks: Attack[] = [
  {
    ...{ what: 'JSON of 257 KiB', status: 413, code: 'body_too_large' },
    ...{ path: 'messages', headers: { ...json, ...whole(large) }, body: () => [large] },
  },
  {
    ...{ what: 'JSON without length or end', status: 413, code: 'body_too_large' },
    ...{ path: 'messages', headers: { ...json, ...endless }, body: () => chunked(Buffer.from('{"to":"'), GIB) },
  },
  {
    ...{ what: 'packed JSON', status: 415, code: 'unsupported_encoding' },
    ...{ path: 'messages', headers: { ...json, ...gzip, ...whole(bomb) }, body: () => [bomb] },
  },
  {
    ...{ what: 'a packed form', status: 415, code: 'unsupported_encoding' },
    ...{ path: 'media', headers: { ...form, ...gzip, ...whole(bomb) }, body: () => [bomb] },
  },
  {
    ...{ what: '10,000 fields', status: 413, code: 'body_too_large' },
    ...{ path: 'media', headers: { ...form, ...whole(fields) }, body: () => [fields] },
  },
  {
    ...{ what: '1 GiB announced', status: 413, code: 'media_too_large' },
    ...{ path: 'media', headers: { ...form, 'Content-Length': String(GIB) }, body: () => [picture] },
  },
  {
    ...{ what: '1 GiB not announced', status: 413, code: 'media_too_large' },
    ...{ path: 'media', headers: { ...form, ...endless }, body: () => chunked(picture, GIB) },
  },
  {
    ...{ what: '17 KiB of headers', status: 431 },
    ...{ path: 'messages', headers: { 'X-Large': 'x'.repeat(17 * 1024) }, body: () => [] },
  },
]

row('F23', 'requests that are too large, packed, have too many fields, or never end', async ({ rig: make }) => {
  const rig = await make()
  await rig.sandboxSession('one')
  const { url, key } = rig.rest()
  const paths = { messages: '/api/v1/sessions/one/messages', media: '/api/v1/media' }
  const send = (path: keyof typeof paths, headers: Record<string, string>, body: Iterable<Buffer>) =>
    sendRaw(url, head(paths[path], { 'X-API-Key': key, ...headers }), body)
  const attack = async (): Promise<string[]> => {
    const said: string[] = []
    for (const { what, status, code = '', path, headers, body } of attacks) {
      const answer = await send(path, headers, body())
      expect({ what, status: answer.status, said: answer.text }).toMatchObject({
        ...{ what, status },
        said: expect.stringContaining(code) as string,
      })
      said.push(`${what}: ${status} after ${size(answer.sent)}`)
    }
    return said
  }

  const others = otherClients(url, key)
  const calm = await others.ask(200)
  const before = await memoryOf(rig.get('gateway-1').pid)
  const sockets = await Promise.all(Array.from({ length: SLOW_SOCKETS }, () => dribble(url)))
  const meanwhile = others.askOn()
  const said = await attack()
  const once = await memoryOf(rig.get('gateway-1').pid)
  await attack()
  const twice = await memoryOf(rig.get('gateway-1').pid)
  const slow = full
    ? await outlasted(sockets, () => send('messages', { ...json, 'Content-Length': '9' }, []))
    : 'cut off'
  for (const { socket } of sockets) socket.destroy()
  const busy = await meanwhile()

  expect(twice - once).toBeLessThan(MOST_GROWTH)
  expect(await readdir(join(rig.dataDir, 'gateway-1', 'media', 'incoming'))).toEqual([])
  return [
    said.join(', '),
    `memory ${size(before)}, ${size(once - before)} more after all of it, ${size(twice - once)} more after all of it again`,
    `others: p99 ${calm} before, ${busy} meanwhile`,
    `${SLOW_SOCKETS} sockets with slow headers: ${slow}`,
  ].join('; ')
})

/** The slow ones are let go by the server, in time. */
async function outlasted(sockets: { closed: Promise<number> }[], sendLate: () => Promise<RawAnswer>): Promise<string> {
  const [late, ...took] = await Promise.all([sendLate(), ...sockets.map(({ closed }) => closed)])
  expect(late).toMatchObject({ status: 408, text: expect.stringContaining('body_too_slow') as string })
  expect(Math.max(...took)).toBeLessThanOrEqual(15_000)
  return `closed within ${seconds(Math.max(...took))}, a slow body answered 408 after ${seconds(late.ms)}`
}

/** Who asks what is small and quick; answers with the 99th percentile. */
function otherClients(url: string, key: string) {
  const times: number[] = []
  const askOnce = async () => {
    const began = performance.now()
    const { status } = await fetch(`${url}/api/v1/sessions`, { headers: { 'X-API-Key': key } })
    expect(status).toBe(200)
    times.push(performance.now() - began)
  }
  const p99 = () => {
    const sorted = times.splice(0).sort((a, b) => a - b)
    return `${Math.round(sorted[Math.floor(sorted.length * 0.99)] ?? 0)} ms of ${sorted.length}`
  }
  return {
    async ask(count: number) {
      for (let n = 0; n < count; n++) await askOnce()
      return p99()
    },
    /** Until the answer is called. */
    askOn() {
      let isOver = false
      const asking = (async () => {
        while (!isOver) await askOnce()
      })()
      // Told to who asks for the answer; a row that fails does not.
      asking.catch(() => undefined)
      return async () => {
        isOver = true
        await asking
        return p99()
      }
    },
  }
}

async function memoryOf(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8')
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1]) * 1024
}

const size = (bytes: number) => (bytes < MIB ? `${Math.round(bytes / 1024)} KiB` : `${(bytes / MIB).toFixed(0)} MiB`)
const seconds = (ms: number) => `${(ms / 1_000).toFixed(1)} s`
