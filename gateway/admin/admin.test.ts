import { spawn } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { SettingsError } from '../../runtime/settings.js'
import { readGatewayConfig } from '../config.js'
import type { DatabaseTarget } from '../db/database-url.js'
import { startTestGateway, type TestGateway } from '../../test/gateway.js'
import { runAdmin } from './run-admin.js'

const root = fileURLToPath(new URL('../..', import.meta.url))

describe('npm run admin', () => {
  let test: TestGateway
  let otherDir: string

  beforeAll(async () => {
    test = await startTestGateway({ nodes: 0 })
    otherDir = await mkdtemp(join(tmpdir(), 'switchboard-shell-'))
  })
  afterAll(async () => {
    await test.stop()
    await rm(otherDir, { recursive: true, force: true })
  })

  const fileOf = (database: DatabaseTarget) => (database.kind === 'sqlite' ? database.file : '')

  /** The settings of somebody at the shell of the gateway's machine. */
  const settings = (env: Record<string, string>) => {
    const { config, gateway } = test
    return {
      ...{ DATA_DIR: config.dataDir, DATABASE_URL: `sqlite:${fileOf(config.database)}` },
      ...{ SECRET_KEY: config.secretKey ?? '', ADMIN_API_KEY: config.adminApiKey ?? '' },
      PORT: new URL(gateway.localUrl()).port,
      ...env,
    }
  }

  async function admin(args: string[], env: Record<string, string> = {}) {
    const written = { out: '', err: '' }
    const code = await runAdmin(args, {
      config: () => readGatewayConfig(settings(env)),
      out: (text) => (written.out += text),
      err: (text) => (written.err += text),
      isSettingsError: (error) => error instanceof SettingsError,
    })
    return { code, ...written }
  }

  async function asProcess(args: string[], env: Record<string, string> = {}) {
    const { PATH = '', HOME = '' } = process.env
    const child = spawn(process.execPath, ['--import', 'tsx', 'gateway/admin.ts', ...args], {
      cwd: root,
      env: { PATH, HOME, ...settings(env) },
    })
    let [out, err] = ['', '']
    child.stdout.on('data', (text: Buffer) => (out += text.toString()))
    child.stderr.on('data', (text: Buffer) => (err += text.toString()))
    const code = await new Promise<number | null>((resolve) => child.once('close', resolve))
    return { code, out: out.trim(), err: err.trim() }
  }

  it('asks the gateway that runs, and says what is wrong and how it ended', async () => {
    const [made, wrong, help, taken] = await Promise.all([
      admin(['tenant', 'create', 'acme', '--sessions', '3', '--webhooks', 'none', '--json']),
      asProcess(['tenant', 'crate', 'acme']),
      admin(['--help']),
      admin(['tenant', 'suspend', 'default', '--json']),
    ])
    expect(made).toMatchObject({ code: 0, err: '' })
    expect(JSON.parse(made.out)).toMatchObject({ name: 'acme', limits: { sessions: 3, webhooks: null } })
    expect(wrong).toMatchObject({ code: 2, out: '', err: expect.stringMatching(/no command 'tenant crate'/) as string })
    expect(help).toMatchObject({ code: 0, out: expect.stringMatching(/tenant delete <tenant>/) as string })
    expect(taken.code).toBe(1)
    expect(JSON.parse(taken.err)).toMatchObject({ code: 'tenant_default' })

    const scopes = 'sessions:read,messages:send'
    const key = await admin(['key', 'create', 'shop', '--tenant', 'acme', '--scopes', scopes, '--json'])
    const text = (JSON.parse(key.out) as { key: string }).key
    expect((await test.ask('GET', '/api/v1/sessions', undefined, { key: text })).status).toBe(200)
    expect((await admin(['tenant', 'delete', 'acme'])).err).toMatch(/1 API keys .* \?confirm=acme/)
    const { body } = await test.ask('GET', '/api/v1/audit?actor=shell')
    expect(body.data.map(({ action }: { action: string }) => action)).toContain('createApiKey')

    // SQLite is held by the gateway, which refuses this key.
    const locked = await admin(['tenant', 'list'], { ADMIN_API_KEY: 'not-the-key-of-this-gateway' })
    expect(locked).toMatchObject({ code: 3, err: expect.stringMatching(/Stop it and ask again/) as string })
    const nothing = await admin(['tenant', 'list'], { PORT: '9', DATABASE_URL: '', DATA_DIR: otherDir })
    expect(nothing).toMatchObject({ code: 3, err: expect.stringMatching(/no database at/) as string })
  })

  it('opens the database by itself while no gateway runs, so that a lost admin key is replaced', async () => {
    const url = test.gateway.localUrl()
    await test.gateway.stop()
    await writeFile(join(test.config.dataDir, 'admin-api-key'), 'lost-and-never-found-again\n')
    const offline = { PORT: new URL(url).port, ADMIN_API_KEY: '' }
    const made = await asProcess(['key', 'admin', '--json'], offline)
    expect(made).toMatchObject({ code: 0, err: '' })
    const key = (JSON.parse(made.out) as { key: string }).key
    const listed = await admin(['key', 'list'], offline)
    expect(listed.out).toMatch(/admin from the shell/)
    expect(listed.out).not.toContain(key)
    await test.gateway.start()
    expect((await test.ask('GET', '/api/v1/tenants', undefined, { key })).body.data).toHaveLength(2)
  })
})
