/**
 * A whole Switchboard as an operator runs it, for tests: real processes on a directory of their own, the real engine in
 * a real Chromium against the simulated WhatsApp, a stand-in for Telegram.
 */
import { randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createSimulator, type Simulator, type SimulatorOptions } from '../simulator/simulator.js'
import { FakeTelegram } from './fake-telegram.js'
import { unknownEvents } from './known-events.js'
import { browsersOn, processesNaming, type RunningProcess, startProcess } from './processes.js'
import { checkAnswer } from './api-contract.js'
import { createRest, type Rest } from './rest.js'

export interface NetworkOptions {
  /** `one`: everything in one process, as `npm start` does it. A number: that many session nodes, each part alone. */
  processes?: 'one' | number
  /** SQLite unless given. */
  databaseUrl?: string
  /** With a bot and this operator. */
  operator?: number
  simulator?: SimulatorOptions
  env?: Record<string, string>
}

export interface Network {
  readonly dataDir: string
  readonly rest: Rest
  readonly simulator: Simulator
  readonly telegram: FakeTelegram
  readonly processes: ReadonlyMap<string, RunningProcess>
  get(name: string): RunningProcess
  /** Starts a process again, on the same data and where it listened before. */
  again(name: string): Promise<RunningProcess>
  /** The file with the profile of each running browser of this network, as main processes. */
  browsers(): { pid: number; command: string }[]
  /** Stops everything, asserts that it ended well and in time, and that nothing is left or told what it must not. */
  stop(canaries?: string[]): Promise<void>
}

const graceMs: Record<string, number> = { gateway: 25_000, bot: 10_000, node: 40_000, main: 40_000 }

export async function startNetwork(options: NetworkOptions = {}): Promise<Network> {
  const { processes: shape = 'one', operator } = options
  const dataDir = await mkdtemp(join(tmpdir(), 'switchboard-network-'))
  const adminKey = `admin-${randomBytes(18).toString('hex')}`
  const clusterToken = randomBytes(18).toString('hex')
  const simulator = createSimulator(options.simulator)
  const telegram = new FakeTelegram()
  await Promise.all([simulator.start(), telegram.start()])

  const processes = new Map<string, RunningProcess>()
  const recipes = new Map<string, { entry: string; env: Record<string, string>; ready: string }>()
  const output: string[] = []

  async function launch(name: string): Promise<RunningProcess> {
    const recipe = recipes.get(name)
    if (!recipe) throw new Error(`There is no process called ${name}`)
    const before = processes.get(name)
    if (before) output.push(before.output())
    const running = startProcess(recipe.entry, recipe.env)
    processes.set(name, running)
    await running.logged(recipe.ready)
    return running
  }

  const forNode = { CHROMIUM_ARGS: simulator.chromiumArgsLine(), CHROMIUM_HEADLESS: 'new' }
  const forGateway = {
    HOST: '127.0.0.1',
    PORT: '0',
    ADMIN_API_KEY: adminKey,
    SECRET_KEY: randomBytes(32).toString('hex'),
    WEBHOOK_ALLOW_CIDRS: '127.0.0.0/8',
    ...(options.databaseUrl ? { DATABASE_URL: options.databaseUrl } : {}),
  }
  const forBot: Record<string, string> = operator
    ? { TELEGRAM_BOT_TOKEN: telegram.token, TELEGRAM_OPERATORS: String(operator), TELEGRAM_API_ROOT: telegram.apiRoot }
    : {}
  let url: string

  if (shape === 'one') {
    const env = { DATA_DIR: dataDir, ...forNode, ...forGateway, ...forBot, ...options.env }
    recipes.set('main', { entry: 'main.ts', env, ready: 'http.listening' })
    const main = await launch('main')
    url = String((await main.logged('http.listening')).url)
    recipes.set('main', { entry: 'main.ts', env: { ...env, PORT: new URL(url).port }, ready: 'http.listening' })
    if (operator) await main.logged('telegram.connected')
  } else {
    const shared = { CLUSTER_TOKEN: clusterToken, ...options.env }
    const addresses: string[] = []
    for (let number = 1; number <= shape; number++) {
      const name = `node-${number}`
      const env = {
        ...shared,
        ...forNode,
        DATA_DIR: join(dataDir, name),
        NODE_LISTEN: '127.0.0.1:0',
        NODE_CAPACITY: '20',
      }
      recipes.set(name, { entry: 'session-node/main.ts', env, ready: 'node.started' })
      const address = String((await (await launch(name)).logged('rpc.listening')).address)
      addresses.push(address)
      recipes.set(name, { entry: 'session-node/main.ts', env: { ...env, NODE_LISTEN: address }, ready: 'node.started' })
    }
    const nodes = { NODES: addresses.join(',') }
    const env = { ...shared, ...nodes, ...forGateway, DATA_DIR: join(dataDir, 'gateway') }
    recipes.set('gateway', { entry: 'gateway/main.ts', env, ready: 'http.listening' })
    url = String((await (await launch('gateway')).logged('http.listening')).url)
    const port = new URL(url).port
    recipes.set('gateway', { entry: 'gateway/main.ts', env: { ...env, PORT: port }, ready: 'http.listening' })
    if (operator) {
      const forGatewayAccess = { GATEWAY_URL: url, GATEWAY_API_KEY: adminKey }
      const botEnv = { ...shared, ...nodes, ...forBot, ...forGatewayAccess, DATA_DIR: join(dataDir, 'bot') }
      recipes.set('bot', { entry: 'bot/main.ts', env: botEnv, ready: 'telegram.connected' })
      await launch('bot')
    }
  }

  async function stop(canaries: string[] = []): Promise<void> {
    const asked = (path: string) => fetch(url + path, { headers: { authorization: `Bearer ${adminKey}` } })
    const problems = await unknownEvents(asked)
    for (const [name, running] of [...processes].reverse()) {
      const { code, ms } = await running.stop()
      output.push(running.output())
      const bound = graceMs[name.replace(/-\d+$/, '')] ?? 0
      if (code !== 0) problems.push(`${name} ended with ${code}:\n${running.output().slice(-2_000)}`)
      if (ms > bound) problems.push(`${name} took ${ms} ms to stop`)
    }
    const left = processesNaming(dataDir)
    if (left.length > 0) problems.push(`Left running: ${JSON.stringify(left)}`)
    for (const canary of [adminKey, ...canaries]) {
      if (output.join('\n').includes(canary)) problems.push(`The logs tell ${canary}`)
    }
    await Promise.all([simulator.stop(), telegram.stop()])
    await rm(dataDir, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 })
    if (problems.length > 0) throw new Error(problems.join('\n'))
  }

  return {
    dataDir,
    rest: createRest(url, adminKey, checkAnswer),
    simulator,
    telegram,
    processes,
    get(name) {
      const running = processes.get(name)
      if (!running) throw new Error(`There is no process called ${name}`)
      return running
    },
    again: launch,
    browsers: () => browsersOn(dataDir),
    stop,
  }
}
