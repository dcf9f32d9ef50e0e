/** `npm start` from its set-up to its last line, on what was really built. */
import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type RunningProcess, startProcess } from '../test/processes.js'
import { until } from '../test/until.js'

const root = fileURLToPath(new URL('..', import.meta.url))

/** Runs one of our scripts to its end. */
function run(
  script: string,
  args: string[],
  env: Record<string, string> = {},
): Promise<{ code: number; said: string }> {
  const options = { cwd: root, env: { ...process.env, ...env }, timeout: 300_000 }
  return new Promise((resolve) =>
    execFile(process.execPath, [script, ...args], options, (error, stdout, stderr) =>
      resolve({ code: error ? Number(error.code) || 1 : 0, said: stdout + stderr }),
    ),
  )
}

describe('npm start', () => {
  const directory = mkdtempSync(join(tmpdir(), 'switchboard-start-'))
  const started: RunningProcess[] = []
  beforeAll(async () => {
    const { code, said } = await run('scripts/setup.mjs', ['run'])
    expect(code, said).toBe(0)
  }, 300_000)
  afterAll(async () => {
    for (const running of started) await running.kill()
    rmSync(directory, { recursive: true, force: true })
  })

  function start(): RunningProcess {
    const running = startProcess('main.ts', { DATA_DIR: directory, PORT: '0' })
    started.push(running)
    return running
  }
  const told = (running: RunningProcess) =>
    until('what to do next is told', () => /Ctrl\+C stops it/.test(running.output()) && running.output())

  it('sets up without a word when there is nothing to do', async () => {
    expect(await run('scripts/setup.mjs', ['run'])).toEqual({ code: 0, said: '' })
  })

  it('tells the URL, the admin key once, and what to type next', async () => {
    const first = start()
    const output = await told(first)
    const [, url] = /Switchboard is running at (\S+)/.exec(output) ?? []
    const keys = output.match(/swb_\w+/g)
    expect(keys).toHaveLength(1)
    const asked = { headers: { authorization: `Bearer ${keys?.[0]}` } }
    expect((await fetch(`${url}/api/v1/sessions`, asked)).status).toBe(200)
    expect((await fetch(`${url}/link/assets/link.js`)).status).toBe(200)
    expect(output).toContain(`curl -X POST ${url}/api/v1/messages/send-text`)
    const [page] = /http\S+\/link\/\S+/.exec(output) ?? []
    expect(await (await fetch(String(page))).text()).toContain('Linked devices')
    expect((await first.stop()).code).toBe(0)
    expect(statSync(join(directory, 'admin-api-key')).mode & 0o777).toBe(0o600)
  })

  it('does not tell the admin key again', async () => {
    const second = start()
    expect(await told(second)).not.toMatch(/swb_\w+/)
    expect((await second.stop()).code).toBe(0)
  })

  it('names every setting that cannot be used, without a stack', async () => {
    const env = { DATA_DIR: directory, PORT: 'many', CHROMIUM_HEADLESS: 'maybe', TELEGRAM_BOT_TOKEN: 'none' }
    const { code, said } = await run('dist/main.js', [], env)
    expect(code).toBe(1)
    expect(said).toMatch(/PORT:[^]*CHROMIUM_HEADLESS:[^]*TELEGRAM_BOT_TOKEN:/)
    expect(said).not.toMatch(/\n\s+at /)
  })
})

describe('npm run browser', () => {
  it('says so when CHROMIUM_PATH names no browser', async () => {
    const { code, said } = await run('scripts/ensure-browser.mjs', [], { CHROMIUM_PATH: '/bin/false' })
    expect([code, said]).toEqual([1, expect.stringContaining('CHROMIUM_PATH=/bin/false is no browser that starts')])
  })
})
