import { mkdir, readdir, readFile, rename, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, isAbsolute, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect } from 'vitest'
import { operations } from '../../gateway/openapi/operations.js'
import { emptyDatabase } from '../databases.js'
import { countBy } from './hooked-rig.js'
import { RawClient } from './raw-request.js'
import type { Rig } from './rig.js'
import { full, row } from './row.js'

const preload = new URL('./files-opened.mjs', import.meta.url).href
const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))))

/** As they stand in a path, byte for byte. */
const inPaths = [
  ...['..', '.', '../x', '../../../../etc/passwd', '..%2f', '..%2f..%2f..%2f..%2fetc%2fpasswd', '%2e%2e%2fx', '%2e%2e'],
  ...[
    '%252e%252e%252fx',
    '..%5c..%5cx',
    '%00',
    'one%00',
    'one%00.png',
    '%2fetc%2fpasswd',
    'C%3a%5cx',
    '%ff',
    '%c0%ae%c0%ae%2f',
  ],
  ...[
    'a'.repeat(5_000),
    'CON',
    'nul',
    'con.txt',
    '%e2%80%a5%2fx',
    '%ef%bc%8e%ef%bc%8e%ef%bc%8fx',
    '%e2%88%95etc%e2%88%95passwd',
  ],
  ...['%f0%9f%90%88', '%20', '%0d%0aX-Y%3a%20z', '~root', '$(id)', '%27%3b--', '*', '__proto__', 'constructor'],
]
/** In a body, a form or a query. */
const inBodies = [
  ...[
    '../x',
    '../../../../etc/passwd',
    '/etc/passwd',
    '..\\..\\x',
    'C:\\x',
    'CON',
    'a/b',
    '..',
    '.',
    '‥/x',
    '．．／x',
    '∕etc∕passwd',
  ],
  ...['%2e%2e%2f', 'a'.repeat(5_000), ' ', 'x\u202egpj.exe', '🐈'],
]

row(
  'F25',
  'names that lead elsewhere, and links in the folder of files',
  async ({ rig: make, finish, afterwards }) => {
    const said: string[] = []
    for (const name of full ? (['SQLite', 'MariaDB'] as const) : (['SQLite'] as const)) {
      const { url, remove } = await emptyDatabase({ name })
      afterwards(remove)
      let opened = ''
      const rig = await make({
        databaseUrl: url,
        env: () => ({ NODE_OPTIONS: `--no-deprecation --import ${preload}`, OPENED: opened }),
        prepare: async ({ dataDir }) => void (opened = join(dataDir, 'opened')),
      })
      const raw = new RawClient(rig.rest().url, rig.adminKey)
      afterwards(() => raw.close())
      await rig.sandboxSession('one')
      const asked = `${await badPaths(raw)}, ${await badBodies(rig)}, ${await plantedLinks(rig)}`
      said.push(`${name}: ${asked}, ${await nothingOutside(rig, opened, url)}`)
      await finish(rig)
    }
    return said.join('; ')
  },
  { timeoutMs: 300_000 },
)

/** Every route with something in its path, with each of these in each place. */
async function badPaths(raw: RawClient): Promise<string> {
  const wrong: string[] = []
  const asked = operations.flatMap(({ method, path }) => {
    const places = [...path.matchAll(/\{\w+\}/g)].map(([place]) => place)
    return places.flatMap((place) =>
      inPaths.map((bad) => ({
        method: method.toUpperCase(),
        path: path.replace(place, () => bad).replace(/\{\w+\}/g, 'one'),
      })),
    )
  })
  const some = full ? asked : asked.filter((_, index) => index % 12 === 0)
  for (let at = 0; at < some.length; at += 8) {
    await Promise.all(
      some.slice(at, at + 8).map(async ({ method, path }) => {
        const { status } = await raw.ask({ method, path })
        if (status < 400 || status >= 500) wrong.push(`${method} ${path.slice(0, 200)}: ${status}`)
      }),
    )
  }
  expect(wrong).toEqual([])
  return `${some.length} paths`
}

async function badBodies(rig: Rig): Promise<string> {
  const rest = rig.rest()
  const outcomes: string[] = []
  for (const bad of full ? inBodies : inBodies.filter((_, index) => index % 4 === 0)) {
    const session = await rest.post('/sessions', { name: bad, engine: 'sandbox' })
    expect([bad, session.status]).toEqual([bad, 400])
    // `*` and text are what an event, a filter or a description may be; no name among them leads anywhere.
    const message = await rest.post('/messages/send-text', { session: bad, recipient: '+4915112345678', message: 'x' })
    expect([bad, message.status >= 400 && message.status < 500]).toEqual([bad, true])
    const image = { to: '+4915112345678', type: 'image', image: { id: bad } }
    expect((await rest.post('/sessions/one/messages', image)).body.code).toMatch(/^(media_not_found|invalid_request)$/)
    const file = await rest.upload('/media', new Blob([`content of ${bad.slice(0, 50)}`]), bad)
    expect([bad, file.status]).toEqual([bad, bad.length > 255 ? 400 : 201])
    if (file.status === 201) {
      const { headers, bytes } = await rest.bytes(`/media/${file.body.id}`)
      expect(bytes.toString()).toBe(`content of ${bad.slice(0, 50)}`)
      expect(headers.get('content-disposition')).toMatch(/^attachment(?:; filename\*?=[^/\\]*)+$/)
    }
    outcomes.push(`files ${file.status}`)
  }
  const files = await readdir(join(rig.dataDir, 'gateway-1', 'media'), { recursive: true, withFileTypes: true })
  expect(files.filter((one) => one.isFile() && !/^med_[0-9a-z]{26}$/.test(one.name))).toEqual([])
  return Object.entries(countBy(outcomes, (outcome) => outcome))
    .map(([outcome, count]) => `${count} x ${outcome}`)
    .join(', ')
}

/** Whoever may write into the folder cannot make the gateway give away, or delete, what is elsewhere. */
async function plantedLinks(rig: Rig): Promise<string> {
  const rest = rig.rest()
  const outside = join(rig.dataDir, 'outside')
  await mkdir(outside)
  const canary = join(outside, 'canary')
  await writeFile(canary, 'not for you')
  const media = join(rig.dataDir, 'gateway-1', 'media')
  const { body } = await rest.upload('/media', new Blob(['hello']), 'a.txt')
  const id = body.id as string
  const path = join(media, id.slice(-2), id)
  await rename(path, join(outside, 'kept'))
  await symlink(canary, path)
  expect((await rest.get(`/media/${id}`)).status).toBe(410)
  expect((await rest.delete(`/media/${id}`)).status).toBe(204)
  await symlink(canary, join(media, 'incoming', 'a'))
  await symlink(outside, join(media, 'incoming', 'b'))
  await rig.end('gateway-1')
  await rig.launch('gateway-1')
  expect(await readdir(join(media, 'incoming'))).toEqual([])
  expect((await readdir(outside)).sort()).toEqual(['canary', 'kept'])
  expect(await readFile(canary, 'utf8')).toBe('not for you')
  return '3 links not followed'
}

/** What the gateway and the node opened lies in their folders, or is a part of them. */
async function nothingOutside(rig: Rig, opened: string, databaseUrl: string): Promise<string> {
  const lines = [...new Set((await readFile(opened, 'utf8')).split('\n').filter((line) => line !== ''))]
  const paths = lines.map((line) => {
    const [, how = '', path = '""'] = /^(\w+) (.*)$/.exec(line) ?? []
    return { how, path: JSON.parse(path) as string }
  })
  const theirs = [rig.dataDir, dirname(databaseUrl.replace(/^sqlite:/, '')), join(tmpdir(), 'tsx-')]
  const readable = [
    root,
    '/proc/',
    '/sys/',
    '/dev/',
    '/usr/',
    '/lib/',
    '/etc/resolv.conf',
    '/etc/hosts',
    '/etc/ssl/',
    '/etc/os-release',
  ]
  const changes = /^(?:write|append|rm|unlink|rename|link|symlink|mkdir|truncate|chmod|copy|cp|createWrite)/
  const strange = paths.filter(({ how, path }) => {
    const within = isAbsolute(path) ? path : join(root, path)
    return ![...theirs, ...(changes.test(how) ? [] : readable)].some((one) => within.startsWith(one))
  })
  expect(strange).toEqual([])
  // Not even within: no name of a caller is a part of a path.
  const canaries = paths.filter(({ path }) => /passwd|outside\/canary|‥|．|CON\b/.test(path))
  expect(canaries).toEqual([])
  return `${paths.length} paths opened, none elsewhere`
}
