import { execFile } from 'node:child_process'
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { silentLog } from '../../runtime/log.js'
import { testConfig } from '../../test/gateway.js'
import { createGateway } from '../gateway.js'
import { koaPath } from '../http/operation.js'
import { problemCodes } from '../http/problem-codes.js'
import { createApiDocument } from './document.js'
import { operations } from './operations.js'
import { problemsOf } from './problem-answers.js'

const root = fileURLToPath(new URL('../../', import.meta.url))
const named = operations.map(({ method, path }) => `${method.toUpperCase()} ${path}`)

describe('the OpenAPI document', () => {
  let dir: string
  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), 'switchboard-openapi-'))
  })
  afterAll(() => rm(dir, { recursive: true, force: true }))

  it('tells of every route that the gateway has, and of no other', () => {
    const gateway = createGateway(testConfig(dir), { log: silentLog() })
    const registered = gateway.routes().filter(({ method }) => method !== 'HEAD')
    expect(new Set(registered.map(({ method, path }) => `${method} ${path}`))).toEqual(new Set(named.map(koaPath)))
    expect(named).toHaveLength(new Set(named).size)
    expect(operations.map(({ id }) => id)).toHaveLength(new Set(operations.map(({ id }) => id)).size)
  })

  it('has no complaint from a linter, and no example that is not valid', async () => {
    const file = join(dir, 'openapi.json')
    await writeFile(
      file,
      JSON.stringify(createApiDocument({ version: '1.0.0', serverUrl: 'https://switchboard.test' })),
    )
    const args = ['node_modules/@redocly/cli/bin/cli.js', 'lint', file, '--config=redocly.yaml', '--format=json']
    const env = { ...process.env, REDOCLY_TELEMETRY: 'off', REDOCLY_SUPPRESS_UPDATE_NOTICE: 'true', CI: 'true' }
    const run = promisify(execFile)(process.execPath, args, { cwd: root, env, maxBuffer: 2 ** 26 })
    const { stdout } = await run.catch((error: { stdout: string }) => error)
    const { problems, totals } = JSON.parse(stdout.slice(stdout.indexOf('{'))) as {
      problems: { ruleId: string; message: string; location: { pointer?: string }[] }[]
      totals: { errors: number; warnings: number }
    }
    expect(problems.map(({ ruleId, message, location }) => `${ruleId}: ${message} ${location[0]?.pointer}`)).toEqual([])
    expect(totals).toMatchObject({ errors: 0, warnings: 0 })
  })

  it('knows every code that the gateway can answer, and each is answered somewhere', async () => {
    const answered = new Set(operations.flatMap((op) => [...problemsOf(op).values()].flat()))
    const known = Object.keys(problemCodes).filter((code) => code !== 'method_not_allowed')
    expect(known.filter((code) => !answered.has(code as keyof typeof problemCodes))).toEqual([])
    const thrown = await thrownReasons()
    expect([...thrown].filter((code) => !(code in problemCodes) && !inner.has(code)).toSorted()).toEqual([])
  })

  it('agrees with docs/api.md: the same routes, the same codes', async () => {
    const text = await readFile(join(root, 'docs', 'api.md'), 'utf8')
    const routes = new Set(
      [...text.matchAll(/(?:`|-X )(GET|POST|PUT|PATCH|DELETE) (?:"\$URL)?(\/[\w/{}.-]+)/g)].map(
        ([, method, path = '']) => {
          return `${method} ${/^\/(livez|readyz|api\/|link\/)/.test(path) ? '' : '/api/v1'}${path}`
        },
      ),
    )
    // What the page loads is for the page.
    const told = named.filter((name) => !name.includes(' /link/') && !name.includes('/assets/'))
    expect(routes).toEqual(new Set(told))
    const rows = text.split('\n').filter((line) => /^\| [45]\d\d /.test(line))
    const codes = rows.flatMap((row) => [...(row.split('|')[2] ?? '').matchAll(/`(\w+)`/g)].map(([, code]) => code))
    expect(codes.filter((code) => !(String(code) in problemCodes))).toEqual([])
    expect(Object.keys(problemCodes).filter((code) => !text.includes(`\`${code}\``))).toEqual([])
  })
})

/** What never leaves the gateway: between it and its nodes, in logs, at the start. */
const inner = new Set([
  'cursor_ahead',
  'data_dir_in_use',
  'follower_replaced',
  'lease_lost',
  'new_epoch',
  'reader_stuck',
  'session_id_taken',
  'session_not_ready',
  'too_many_messages',
])

/** As the source has them: a reason that is made up at run time is found by the tests that meet it. */
async function thrownReasons(): Promise<Set<string>> {
  const found = new Set<string>()
  for (const folder of ['gateway', 'proto', 'runtime', 'session-node']) {
    for (const name of await readdir(join(root, folder), { recursive: true })) {
      if (!name.endsWith('.ts') || name.includes('.test.') || name.includes('generated')) continue
      const source = await readFile(join(root, folder, name), 'utf8')
      for (const [, code] of source.matchAll(/new AppError\([^{}]*\{[^{}]*?reason: '(\w+)'/g)) if (code) found.add(code)
    }
  }
  return found
}
