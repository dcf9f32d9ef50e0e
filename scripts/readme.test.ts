/** What README.md tells people to type, typed. */
import { execFile } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import Sqlite from 'better-sqlite3'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { PICTURE } from '../simulator/fixtures.js'
import { type RunningProcess, startProcess } from '../test/processes.js'
import { checkAnswer } from '../test/api-contract.js'
import { createRest, type Rest } from '../test/rest.js'
import { until } from '../test/until.js'

const run = promisify(execFile)
const readme = readFileSync(fileURLToPath(new URL('../README.md', import.meta.url)), 'utf8')
const KEY = 'an admin key for the README'.replaceAll(' ', '-')

/** The fenced blocks of a language below a heading. */
function blocks(heading: string, language: string): string[] {
  const section = readme.split(/^(?=##+ )/m).find((part) => part.replace(/^#+ /, '').startsWith(heading))
  expect(section, heading).toBeDefined()
  return [...String(section).matchAll(/^```(\w+)\n([\s\S]*?)^```$/gm)]
    .filter(([, of]) => of === language)
    .map(([, , text]) => String(text))
}

describe('README.md', () => {
  const directory = mkdtempSync(join(tmpdir(), 'switchboard-readme-'))
  let whole: RunningProcess
  let rest: Rest

  /** Types a block into a shell; answers with what was printed. */
  async function type(block: string): Promise<string> {
    const careful = 'set -euo pipefail; curl() { command curl -sS --fail-with-body "$@"; echo; }\n'
    const typed = block.replaceAll('localhost:3000', rest.url.replace('http://', ''))
    const { stdout } = await run('bash', ['-c', careful + typed], { cwd: directory, env: { ...process.env, KEY } })
    return stdout
  }
  const connected = (name: string) =>
    until(`${name} is connected`, async () => (await rest.get(`/sessions/${name}`)).body.status === 'connected')

  beforeAll(async () => {
    const dataDir = join(directory, 'data')
    mkdirSync(dataDir, { mode: 0o700 })
    whole = startProcess('main.ts', { DATA_DIR: dataDir, PORT: '0', ADMIN_API_KEY: KEY })
    rest = createRest(String((await whole.logged('http.listening')).url), KEY, checkAnswer)
  })
  afterAll(async () => {
    await whole.kill()
    rmSync(directory, { recursive: true, force: true })
  })

  it('makes a link for the session of the first start', async () => {
    await whole.logged('session.created')
    const [link] = blocks('Link a number', 'bash')
    const { url } = JSON.parse(await type(String(link).replace('export KEY=...', ': '))) as { url: string }
    expect((await fetch(url)).status).toBe(200)
  })

  it('makes a sandbox session and has it receive a message', async () => {
    const [block] = blocks('Try it without a phone', 'bash')
    const [create, receive] = String(block).split(/^(?=curl)/m)
    expect(JSON.parse(await type(String(create)))).toMatchObject({ name: 'test', engine: 'sandbox' })
    await connected('test')
    expect(JSON.parse(await type(String(receive)))).toMatchObject({ waMessageId: expect.any(String) })
    await until('the message has arrived', async () => {
      const { body } = await rest.get('/messages?session=test&direction=in')
      return body.data[0]?.text.body === 'Anyone there?'
    })
  })

  it('sends a text on the long and on the short path, and a picture, and lists what came', async () => {
    // The first start makes one for a real phone.
    await whole.logged('session.created')
    await rest.delete('/sessions/default')
    await rest.post('/sessions', { name: 'default', engine: 'sandbox', sandbox: { autoPair: true, reply: 'echo' } })
    await connected('default')
    writeFileSync(join(directory, 'menu.jpg'), Buffer.from(PICTURE.base64, 'base64'))
    const [long, short, media] = blocks('Send', 'bash')
    expect(JSON.parse(await type(String(long)))).toMatchObject({ id: expect.stringMatching(/^msg_/), direction: 'out' })
    expect(JSON.parse(await type(String(short)))).toMatchObject({
      status: expect.stringMatching(/sent|delivered|read/),
    })
    expect(JSON.parse(await type(String(media)))).toMatchObject({ type: 'image', image: { caption: 'Our menu' } })
    const [receive] = blocks('Receive', 'bash')
    const { data } = JSON.parse(await type(String(receive))) as { data: { direction: string }[] }
    expect(data.every(({ direction }) => direction === 'in')).toBe(true)
  })

  it('asks the database for times and errors', () => {
    const db = new Sqlite(join(directory, 'data', 'switchboard.sqlite'), { readonly: true })
    try {
      const [latest, failed] = blocks('Ask the database', 'sql').map((query) => db.prepare(query).all())
      expect(latest).toContainEqual(
        expect.objectContaining({ direction: 'out', origin: 'api', sent_at: expect.any(String) }),
      )
      expect(failed).toEqual([])
    } finally {
      db.close()
    }
  })

  it('links only to pages that exist', () => {
    for (const [, path] of readme.matchAll(/\]\(((?!https?:|#)[^)#]+)[^)]*\)/g)) {
      expect(() => readFileSync(fileURLToPath(new URL(`../${path}`, import.meta.url))), path).not.toThrow(/ENOENT/)
    }
  })
})
