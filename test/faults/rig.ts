/** A Switchboard to break: each part a process of its own, that can be stopped at a line, killed, frozen and started again. */
import { randomBytes } from 'node:crypto'
import { statSync, symlinkSync } from 'node:fs'
import { mkdir, mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import type { FaultPoint } from '../../runtime/fault-point.js'
import { createSimulator, type Simulator, type SimulatorOptions } from '../../simulator/simulator.js'
import { browsersOn, processesNaming, type RunningProcess, startProcess } from '../processes.js'
import { createRest, type Rest } from '../rest.js'
import { until } from '../until.js'
import { BrowserWatch } from './browser-watch.js'
import { FaultDatabase } from './fault-database.js'
import { Ledger } from './ledger.js'
import { endProcess, stateOf } from './process-state.js'

export interface RigOptions {
  nodes?: number
  /** Where the processes of a kind stop themselves the first time. */
  stopAt?: { gateway?: StopAt; node?: StopAt }
  gateways?: number
  /** SQLite unless given. */
  databaseUrl?: string
  /** With the simulated WhatsApp, for sessions of the real engine. */
  simulator?: SimulatorOptions
  /** What the gateways are told instead of where the nodes listen, such as a proxy. */
  nodesThrough?: (addresses: string[]) => Promise<string[]>
}

export interface WireLine {
  waMessageId: string
  at: number
}

/** At a line; `point#3` is the third time that it is passed. */
export type StopAt = FaultPoint | `${FaultPoint}#${number}`

const ready = { gateway: 'http.listening', node: 'node.started' }
const graceMs = { gateway: 25_000, node: 40_000 }

export class Rig {
  readonly ledger = new Ledger()
  readonly adminKey = `admin-${randomBytes(18).toString('hex')}`
  readonly clusterToken = randomBytes(18).toString('hex')
  readonly secretKey = randomBytes(32).toString('hex')
  /** What processes of this rig wrote before they ended. */
  private readonly said: RunningProcess[] = []
  private readonly running = new Map<string, RunningProcess>()
  private readonly recipes = new Map<string, Record<string, string>>()
  private readonly urls = new Map<string, string>()
  private nodeAddresses: string[] = []
  private readonly openFiles = new Map<string, number>()
  readonly browsers: BrowserWatch

  private constructor(
    readonly dataDir: string,
    readonly database: FaultDatabase,
    readonly simulator: Simulator | undefined,
  ) {
    this.browsers = new BrowserWatch(dataDir)
  }

  static async start(options: RigOptions = {}): Promise<Rig> {
    const dataDir = await mkdtemp(join(tmpdir(), 'switchboard-faults-'))
    const tmp = join(dataDir, 'tmp')
    await mkdir(tmp)
    // tsx keeps what it compiled in there: without it each process would start as slowly as the first.
    symlinkSync(join(tmpdir(), `tsx-${process.geteuid?.() ?? 0}`), join(tmp, `tsx-${process.geteuid?.() ?? 0}`))
    const simulator = options.simulator && createSimulator(options.simulator)
    await simulator?.start()
    const url = options.databaseUrl ?? `sqlite:${join(dataDir, 'switchboard.sqlite')}`
    const rig = new Rig(dataDir, new FaultDatabase(url), simulator)
    try {
      await rig.startAll(options)
    } catch (error) {
      await rig.destroy()
      throw error
    }
    return rig
  }

  private async startAll({ nodes = 1, gateways = 1, stopAt = {}, nodesThrough }: RigOptions): Promise<void> {
    const { dataDir, simulator } = this
    if (simulator) this.browsers.start()
    const forNode = simulator ? { CHROMIUM_ARGS: simulator.chromiumArgsLine() } : {}
    const names = (kind: string, count: number) => Array.from({ length: count }, (_, index) => `${kind}-${index + 1}`)
    const addresses = await Promise.all(
      names('node', nodes).map(async (name) => {
        const env = { ...this.shared(), ...forNode, DATA_DIR: join(dataDir, name) }
        this.recipes.set(name, { ...env, NODE_LISTEN: '127.0.0.1:0' })
        const started = await this.launch(name, { stopAt: stopAt.node })
        const address = String((await started.logged('node.started')).address)
        this.recipes.set(name, { ...env, NODE_LISTEN: address })
        return address
      }),
    )
    this.nodeAddresses = (await nodesThrough?.(addresses)) ?? addresses
    await Promise.all(
      names('gateway', gateways).map(async (name) => {
        this.prepare(name)
        await this.launch(name, { stopAt: stopAt.gateway })
        await this.learnUrl(name)
      }),
    )
    for (const name of this.names()) this.openFiles.set(kindOf(name), await this.openFilesOf(name))
  }

  private shared(): Record<string, string> {
    return { TMPDIR: join(this.dataDir, 'tmp'), CLUSTER_TOKEN: this.clusterToken }
  }

  /** A gateway that can be started. */
  prepare(name: string): void {
    this.recipes.set(name, {
      ...this.shared(),
      DATA_DIR: join(this.dataDir, name),
      DATABASE_URL: this.database.url,
      HOST: '127.0.0.1',
      PORT: '0',
      ADMIN_API_KEY: this.adminKey,
      SECRET_KEY: this.secretKey,
      NODES: this.nodeAddresses.join(','),
    })
  }

  /** Where a gateway that was started the first time listens, from now on for good. */
  async learnUrl(name: string): Promise<void> {
    const url = String((await this.get(name).logged('http.listening')).url)
    this.urls.set(name, url)
    this.recipes.set(name, { ...this.recipes.get(name), PORT: new URL(url).port })
  }

  names(): string[] {
    return [...this.running.keys()]
  }

  get(name: string): RunningProcess {
    const running = this.running.get(name)
    if (!running) throw new Error(`There is no process called ${name}`)
    return running
  }

  rest(name = 'gateway-1'): Rest {
    return createRest(this.urls.get(name) ?? '', this.adminKey)
  }

  /** Starts a process, again on its data and where it listened before, and waits until it is up. */
  async launch(name: string, { stopAt, env = {} }: { stopAt?: StopAt | undefined; env?: Record<string, string> } = {}) {
    const running = this.spawn(name, { ...env, ...(stopAt ? { FAULT_POINT: stopAt } : {}) })
    await running.logged(ready[kindOf(name)])
    return running
  }

  /** The same without waiting. */
  spawn(name: string, env: Record<string, string> = {}): RunningProcess {
    const recipe = this.recipes.get(name)
    if (!recipe) throw new Error(`There is no recipe for ${name}`)
    const entry = kindOf(name) === 'gateway' ? 'gateway/main.ts' : 'session-node/main.ts'
    const running = startProcess(entry, { ...recipe, ...env })
    this.running.set(name, running)
    this.said.push(running)
    return running
  }

  /** Starts again what is not up, as whoever supervises the processes would. */
  async revive(): Promise<void> {
    for (const name of this.names()) {
      const up = await this.get(name)
        .logged(ready[kindOf(name)])
        .catch(() => undefined)
      if (!up || this.get(name).ended()) await this.launch(name)
    }
  }

  /** `kill -9`. */
  async kill(name: string): Promise<void> {
    await this.get(name).kill()
  }

  /** SIGTERM; asserts that it ends well and in time. */
  async end(name: string): Promise<number> {
    const { code, ms } = await this.get(name).stop()
    if (code !== 0) throw new Error(`${name} ended with ${code}:\n${this.get(name).output().slice(-2_000)}`)
    if (ms > graceMs[kindOf(name)]) throw new Error(`${name} took ${ms} ms to end`)
    return ms
  }

  /** Resolves when the process has stopped itself at its fault point. */
  async atFaultPoint(name: string, timeoutMs = 30_000): Promise<void> {
    const { pid } = this.get(name)
    await until(`${name} is at its fault point`, () => stateOf(pid) === 'T', { timeoutMs, everyMs: 5 })
  }

  /** A linked sandbox session. */
  async sandboxSession(name: string, sandbox: Record<string, unknown> = {}): Promise<string> {
    const phone = `+1555${String(Math.floor(Math.random() * 1e7)).padStart(7, '0')}`
    this.ledger.phones.add(phone.slice(1))
    const wanted = { name, engine: 'sandbox', sandbox: { phone, autoPair: true, ...sandbox } }
    const { status, body } = await this.rest().post('/sessions', wanted)
    if (status !== 201) throw new Error(`No session: ${status} ${JSON.stringify(body)}`)
    await this.sessionIs(name, 'connected')
    return body.id as string
  }

  async sessionIs(name: string, status: string, timeoutMs = 60_000): Promise<Record<string, unknown>> {
    let last: unknown
    return until(
      `${name} is ${status}`,
      async () => {
        const answer = await this.rest()
          .get(`/sessions/${name}`)
          .catch(() => undefined)
        last = answer?.body
        return answer?.body.status === status && answer.body
      },
      { timeoutMs, seen: () => last },
    )
  }

  /** Until nothing that was accepted waits or is doubtful any more. */
  async settled(timeoutMs = 90_000): Promise<void> {
    let open: unknown[] = []
    await until(
      'every message is sent',
      async () => {
        open = await this.database
          .open()
          .catch((error: unknown) => [error instanceof Error ? error.message : String(error)])
        return open.length === 0
      },
      { timeoutMs, everyMs: 100, seen: () => [open.length, open.slice(0, 5)] },
    )
  }

  /** What WhatsApp saw. */
  async wire(): Promise<WireLine[]> {
    const files = (await readdir(this.dataDir)).filter((name) => name.startsWith('node-'))
    const texts = files.map((name) => readFile(join(this.dataDir, name, 'sandbox', 'wire.log'), 'utf8').catch(() => ''))
    const lines = (await Promise.all(texts)).flatMap((text) => text.split('\n')).flatMap(parseLine)
    return [...lines, ...((await this.simulator?.whatsapp.wire()) ?? [])]
  }

  /** How much the sandbox's WhatsApp has written. */
  wireBytes(): number {
    const sizes = this.names().map((name) => {
      const file = statSync(join(this.dataDir, name, 'sandbox', 'wire.log'), { throwIfNoEntry: false })
      return file?.size ?? 0
    })
    return sizes.reduce((sum, size) => sum + size, 0)
  }

  output(): string {
    return this.said.map((running) => running.output()).join('\n')
  }

  lines() {
    return this.said.flatMap((running) => running.lines())
  }

  /** Descriptors of living processes that have far more of them than at the start. */
  async leaks(): Promise<string[]> {
    const counts = await Promise.all(this.names().map(async (name) => ({ name, now: await this.openFilesOf(name) })))
    // Kept-alive connections of clients and of the database's pool come and go; a leak grows with the messages.
    return counts
      .filter(({ name, now }) => now > (this.openFiles.get(kindOf(name)) ?? 0) + 64)
      .map(({ name, now }) => `${name} has ${now} open files, at the start ${this.openFiles.get(kindOf(name))}`)
  }

  /** What is left of it after everything has ended. */
  async leftovers(): Promise<string[]> {
    const processes = processesNaming(this.dataDir).map(({ command }) => `still running: ${command}`)
    const files = (await readdir(join(this.dataDir, 'tmp'))).filter((name) => !name.startsWith('tsx-'))
    return [...processes, ...files.map((name) => `temporary file: ${name}`)]
  }

  /** Ends whatever runs and removes everything. */
  async destroy(): Promise<void> {
    this.browsers.stop()
    await Promise.all([...this.running.values()].map((running) => running.kill()))
    // Browsers of killed nodes see it by their pipe; one that hangs must not outlive the test.
    for (const { pid } of [...browsersOn(this.dataDir), ...processesNaming(this.dataDir)]) endProcess(pid)
    await this.simulator?.stop()
    await this.database.close()
    await rm(this.dataDir, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 })
  }

  private async openFilesOf(name: string): Promise<number> {
    const files = await readdir(`/proc/${this.get(name).pid}/fd`).catch(() => [])
    return files.length
  }
}

export function kindOf(name: string): 'gateway' | 'node' {
  return basename(name).startsWith('gateway') ? 'gateway' : 'node'
}

function parseLine(text: string): WireLine[] {
  try {
    return text === '' ? [] : [JSON.parse(text) as WireLine]
  } catch {
    // Cut short by a crash: WhatsApp never had it.
    return []
  }
}
