/** A Switchboard to break: each part a process of its own, that can be stopped at a line, killed, frozen and started again. */
import { randomBytes } from 'node:crypto'
import { statSync, symlinkSync } from 'node:fs'
import { mkdir, mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createSimulator, type Simulator, type SimulatorOptions } from '../../simulator/simulator.js'
import { FakeTelegram } from '../fake-telegram.js'
import { browsersOn, processesNaming } from '../processes.js'
import { checkAnswer } from '../api-contract.js'
import { createRest, type Rest } from '../rest.js'
import { until } from '../until.js'
import type { WebhookCatcher } from '../webhook-catcher.js'
import { BrowserWatch } from './browser-watch.js'
import { FaultDatabase } from './fault-database.js'
import { Ledger } from './ledger.js'
import { endProcess } from './process-state.js'
import { type ProcessesOptions, RigProcesses, type StopAt } from './rig-processes.js'

export type { StopAt } from './rig-processes.js'

export interface RigOptions extends ProcessesOptions {
  nodes?: number
  /** Where the processes of a kind stop themselves the first time. */
  stopAt?: { gateway?: StopAt; node?: StopAt }
  gateways?: number
  /** SQLite unless given. */
  databaseUrl?: string | ((dataDir: string) => string)
  /** With the simulated WhatsApp, for sessions of the real engine. */
  simulator?: SimulatorOptions
  /** What the gateways are told instead of where the nodes listen, such as a proxy. */
  nodesThrough?: (addresses: string[]) => Promise<string[]>
  /** With a bot on a stand-in for Telegram, and this operator. */
  operator?: number
  /** Before anything is started. */
  prepare?: (rig: Rig) => Promise<void>
}

export interface WireLine {
  waMessageId: string
  at: number
}

export class Rig extends RigProcesses {
  readonly ledger = new Ledger()
  readonly adminKey = `admin-${randomBytes(18).toString('hex')}`
  readonly clusterToken = randomBytes(18).toString('hex')
  readonly secretKey = randomBytes(32).toString('hex')
  private readonly urls = new Map<string, string>()
  private nodeAddresses: string[] = []
  private readonly undo: (() => Promise<unknown>)[] = []
  readonly browsers: BrowserWatch
  /** Where webhooks of this rig point to. */
  sink: WebhookCatcher | undefined

  private constructor(
    dataDir: string,
    public database: FaultDatabase,
    readonly simulator: Simulator | undefined,
    readonly telegram: FakeTelegram | undefined,
    options: RigOptions,
  ) {
    super(dataDir, options)
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
    const { databaseUrl = (inside: string) => `sqlite:${join(inside, 'switchboard.sqlite')}` } = options
    const url = typeof databaseUrl === 'string' ? databaseUrl : databaseUrl(dataDir)
    const telegram = options.operator === undefined ? undefined : await new FakeTelegram().start()
    const rig = new Rig(dataDir, new FaultDatabase(url), simulator, telegram, options)
    try {
      await options.prepare?.(rig)
      await rig.startAll(options)
    } catch (error) {
      await rig.destroy()
      throw error
    }
    return rig
  }

  private async startAll({ nodes = 1, gateways = 1, stopAt = {}, nodesThrough, operator }: RigOptions): Promise<void> {
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
    if (this.telegram) await this.startBot(this.telegram, operator)
    await this.countOpenFiles()
  }

  private async startBot(telegram: FakeTelegram, operator = 0): Promise<void> {
    this.recipes.set('bot-1', {
      ...this.shared(),
      DATA_DIR: join(this.dataDir, 'bot-1'),
      NODES: this.nodeAddresses.join(','),
      GATEWAY_URL: this.urls.get('gateway-1') ?? '',
      GATEWAY_API_KEY: this.adminKey,
      TELEGRAM_BOT_TOKEN: telegram.token,
      TELEGRAM_OPERATORS: String(operator),
      TELEGRAM_API_ROOT: telegram.apiRoot,
    })
    this.ledger.secrets.add(telegram.token.split(':')[1] ?? '')
    await this.launch('bot-1')
  }

  /** When everything has ended, before its data is removed; last first. */
  afterwards(work: () => Promise<unknown>): void {
    this.undo.push(work)
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

  /** Where a process has its data from its next start on, as after a restore. */
  relocate(name: string, dataDir: string): void {
    this.recipes.set(name, { ...this.recipes.get(name), DATA_DIR: dataDir })
  }

  /** Which database a gateway uses from its next start on, and what is looked into from now on. */
  async useDatabase(name: string, url: string): Promise<void> {
    this.recipes.set(name, { ...this.recipes.get(name), DATABASE_URL: url })
    await this.database.close()
    this.database = new FaultDatabase(url)
  }

  /** Where a gateway that was started the first time listens, from now on for good. */
  async learnUrl(name: string): Promise<void> {
    const url = String((await this.get(name).logged('http.listening')).url)
    this.urls.set(name, url)
    this.recipes.set(name, { ...this.recipes.get(name), PORT: new URL(url).port })
  }

  rest(name = 'gateway-1'): Rest {
    return createRest(this.urls.get(name) ?? '', this.adminKey, checkAnswer)
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
    await this.telegram?.stop()
    await this.database.close()
    for (const work of this.undo.reverse()) await work()
    await rm(this.dataDir, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 })
  }
}

function parseLine(text: string): WireLine[] {
  try {
    return text === '' ? [] : [JSON.parse(text) as WireLine]
  } catch {
    // Cut short by a crash: WhatsApp never had it.
    return []
  }
}
