/** A gateway and the session nodes it talks to, in this process, on ports of their own: for tests of routes. */
import { randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { GatewayConfig } from '../gateway/config.js'
import { parseDatabaseUrl } from '../gateway/db/database-url.js'
import { createGateway, type Gateway, type Outside } from '../gateway/gateway.js'
import { silentLog } from '../runtime/log.js'
import { startTestNode, type TestNode, type TestNodeOptions } from '../session-node/testing.js'
import { checkAnswer } from './api-contract.js'
import { emptyDatabase, type TestTarget } from './databases.js'
import { unknownEvents } from './known-events.js'

export interface TestGatewayOptions {
  target?: TestTarget
  nodes?: number
  node?: TestNodeOptions
  config?: Partial<GatewayConfig>
  outside?: Partial<Outside>
  /** The test stores events that nothing of ours would. */
  anyEvents?: boolean
}

export interface Answer {
  status: number
  headers: Headers
  // What an answer holds is for the test to say.
  // eslint-disable-next-line @typescript-eslint/no-explicit-any
  body: any
}

export interface TestGateway {
  readonly gateway: Gateway
  nodes: TestNode[]
  config: GatewayConfig
  /** As the admin unless `key` is given. */
  ask(
    method: string,
    path: string,
    body?: unknown,
    options?: { key?: string; headers?: Record<string, string> },
  ): Promise<Answer>
  /** Raw, for streams and pictures. */
  fetch(path: string, init?: RequestInit): Promise<Response>
  /** Another process on the same database and files, as after an update. */
  restart(): Promise<void>
  stop(): Promise<void>
}

export const ADMIN_KEY = 'admin-key-for-tests-0123456789'

export function testConfig(dataDir: string): GatewayConfig {
  return {
    dataDir,
    database: parseDatabaseUrl(`sqlite:${join(dataDir, 'switchboard.db')}`),
    host: '127.0.0.1',
    port: 0,
    trustProxy: 0,
    secretKey: randomBytes(32).toString('hex'),
    adminApiKey: ADMIN_KEY,
    nodes: [],
    security: { insecure: false },
    webhookAllowCidrs: ['127.0.0.0/8'],
    mediaUrlMs: 3_600_000,
    logLevel: 'fatal',
    shown: {},
  }
}

export async function startTestGateway(options: TestGatewayOptions = {}): Promise<TestGateway> {
  const { target = { name: 'SQLite' }, nodes: count = 1 } = options
  const dataDir = await mkdtemp(join(tmpdir(), 'switchboard-gateway-'))
  const database = await emptyDatabase(target)
  const nodeOptions = { ...options.node, outside: { sendsAlone: false, ...options.node?.outside } }
  const nodes = await Promise.all(Array.from({ length: count }, () => startTestNode(nodeOptions)))
  const config: GatewayConfig = {
    ...testConfig(dataDir),
    database: parseDatabaseUrl(database.url),
    nodes: nodes.map(({ node }) => node.address()),
    ...options.config,
  }
  const create = () => createGateway(config, { log: silentLog(), ...options.outside })
  let gateway = create()
  await gateway.start()

  const raw = (path: string, init: RequestInit = {}) =>
    fetch(gateway.localUrl() + path, {
      ...init,
      headers: { 'X-API-Key': ADMIN_KEY, ...(init.headers as Record<string, string>) },
    })

  return {
    get gateway() {
      return gateway
    },
    nodes,
    config,
    async fetch(path, init) {
      const answer = await raw(path, init)
      checkAnswer({ method: init?.method ?? 'GET', path, status: answer.status, headers: answer.headers })
      return answer
    },
    async ask(method, path, body, { key = ADMIN_KEY, headers = {} } = {}) {
      const answer = await raw(path, {
        method,
        headers: {
          'X-API-Key': key,
          ...(body === undefined ? {} : { 'Content-Type': 'application/json' }),
          ...headers,
        },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      })
      const text = await answer.text()
      checkAnswer({ method, path, status: answer.status, headers: answer.headers, text })
      const isJson = /json/.test(answer.headers.get('content-type') ?? '')
      return { status: answer.status, headers: answer.headers, body: isJson ? JSON.parse(text) : text }
    },
    async restart() {
      await gateway.stop()
      gateway = create()
      await gateway.start()
    },
    async stop() {
      const unknown = options.anyEvents ? [] : await unknownEvents((path) => raw(path))
      await gateway.stop()
      await Promise.all(nodes.map((node) => node.stop()))
      await database.remove()
      await rm(dataDir, { recursive: true, force: true })
      if (unknown.length > 0) throw new Error(`Events that the catalogue does not know:\n${unknown.join('\n')}`)
    },
  }
}
