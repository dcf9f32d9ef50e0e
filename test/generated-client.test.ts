import { execFile } from 'node:child_process'
import { cp, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { createClient } from '@hey-api/openapi-ts'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ADMIN_KEY, startTestGateway, type TestGateway } from './gateway.js'
import { WebhookCatcher } from './webhook-catcher.js'

const root = fileURLToPath(new URL('../', import.meta.url))
const run = promisify(execFile)

describe('a TypeScript client generated from the OpenAPI document', () => {
  let test: TestGateway
  let catcher: WebhookCatcher
  let dir: string
  beforeAll(async () => {
    test = await startTestGateway()
    catcher = new WebhookCatcher()
    await catcher.start()
    dir = await mkdtemp(join(tmpdir(), 'switchboard-client-'))
  })
  afterAll(async () => {
    await test.stop()
    await catcher.stop()
    await rm(dir, { recursive: true, force: true })
  })

  it('compiles in strict mode, and pairs, sends, waits, lists and is told', { timeout: 120_000 }, async () => {
    const document = (await test.ask('GET', '/api/openapi.json')).body as Record<string, unknown>
    await createClient({
      input: document,
      output: { path: join(dir, 'client'), importFileExtension: '.js', tsConfigPath: null },
      plugins: ['@hey-api/client-fetch', '@hey-api/typescript', '@hey-api/sdk'],
      logs: { level: 'silent', file: false },
    })
    await cp(join(root, 'test', 'generated-client', 'program.ts'), join(dir, 'program.ts'))
    await symlink(join(root, 'node_modules'), join(dir, 'node_modules'))
    await writeFile(join(dir, 'package.json'), JSON.stringify({ type: 'module' }))
    const compilerOptions = {
      ...{ target: 'ES2023', module: 'NodeNext', moduleResolution: 'NodeNext', lib: ['ES2023', 'DOM', 'DOM.Iterable'] },
      ...{ strict: true, skipLibCheck: true, types: ['node'], rootDir: '.', outDir: 'out' },
    }
    await writeFile(join(dir, 'tsconfig.json'), JSON.stringify({ compilerOptions, include: ['program.ts', 'client'] }))
    const compiler = join(root, 'node_modules', 'typescript', 'bin', 'tsc')
    const compiled = await run(process.execPath, [compiler, '-p', dir]).catch((error: { stdout: string }) => error)
    expect(compiled.stdout).toBe('')
    await run(process.execPath, [
      join(dir, 'out', 'program.js'),
      test.gateway.localUrl(),
      ADMIN_KEY,
      catcher.url('/events'),
    ])
    expect(catcher.caught.length).toBeGreaterThan(0)
  })
})
