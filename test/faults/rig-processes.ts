/** The processes of a rig: started by recipe, stopped at a line, killed, frozen, started again. */
import { readdir, readFile, writeFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import type { FaultPoint } from '../../runtime/fault-point.js'
import { type RunningProcess, startProcess } from '../processes.js'
import { until } from '../until.js'
import { stateOf } from './process-state.js'

/** At a line; `point#3` is the third time that it is passed. */
export type StopAt = FaultPoint | `${FaultPoint}#${number}`

export type Kind = 'gateway' | 'node' | 'bot'

const entries: Record<Kind, string> = { gateway: 'gateway/main.ts', node: 'session-node/main.ts', bot: 'bot/main.ts' }
const ready: Record<Kind, string> = { gateway: 'http.listening', node: 'node.started', bot: 'telegram.connected' }
const graceMs: Record<Kind, number> = { gateway: 25_000, node: 40_000, bot: 10_000 }
const shiftedClock = new URL('./shifted-clock.mjs', import.meta.url).href

export interface ProcessesOptions {
  /** Their wall clocks can be shifted. */
  clocks?: boolean
  /** The file that a process writes its log to, instead of being read by the test. */
  logTo?: (name: string) => string | undefined
  /** Further settings of each process. */
  env?: (name: string) => Record<string, string>
  /** What is started instead of the process itself. */
  entry?: (name: string) => string | undefined
}

export class RigProcesses {
  /** What processes of this rig wrote before they ended. */
  private readonly said: RunningProcess[] = []
  protected readonly running = new Map<string, RunningProcess>()
  protected readonly recipes = new Map<string, Record<string, string>>()
  private readonly openFiles = new Map<Kind, number>()

  protected constructor(
    readonly dataDir: string,
    private readonly processes: ProcessesOptions,
  ) {}

  names(): string[] {
    return [...this.running.keys()]
  }

  get(name: string): RunningProcess {
    const running = this.running.get(name)
    if (!running) throw new Error(`There is no process called ${name}`)
    return running
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
    const { clocks, logTo, env: more, entry } = this.processes
    const clock = clocks ? { NODE_OPTIONS: `--import ${shiftedClock}`, CLOCK_FILE: this.clockFile(name) } : {}
    const given = { ...recipe, ...clock, ...more?.(name), ...env }
    const running = startProcess(entry?.(name) ?? entries[kindOf(name)], given, { logTo: logTo?.(name) })
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

  /** Sets the wall clock of a process so far ahead of the true one, and of the next ones under this name. */
  async shiftClock(name: string, aheadMs: number): Promise<void> {
    const file = this.clockFile(name)
    await writeFile(file, String(aheadMs))
    const running = this.running.get(name)
    if (!running || running.ended()) return
    const seen = () => readFile(`${file}.seen`, 'utf8').catch(() => '')
    await until(`${name} has another time`, async () => (await seen()) === `${running.pid} ${aheadMs}`, { everyMs: 10 })
  }

  output(): string {
    return this.said.map((running) => running.output()).join('\n')
  }

  lines() {
    return this.said.flatMap((running) => running.lines())
  }

  protected async countOpenFiles(): Promise<void> {
    for (const name of this.names()) this.openFiles.set(kindOf(name), await this.openFilesOf(name))
  }

  /** Descriptors of living processes that have far more of them than at the start. */
  async leaks(): Promise<string[]> {
    const counts = await Promise.all(this.names().map(async (name) => ({ name, now: await this.openFilesOf(name) })))
    // Kept-alive connections of clients and of the database's pool come and go; a leak grows with the messages.
    return counts
      .filter(({ name, now }) => now > (this.openFiles.get(kindOf(name)) ?? 0) + 64)
      .map(({ name, now }) => `${name} has ${now} open files, at the start ${this.openFiles.get(kindOf(name))}`)
  }

  private clockFile(name: string): string {
    return join(this.dataDir, `${name}.clock`)
  }

  private async openFilesOf(name: string): Promise<number> {
    const files = await readdir(`/proc/${this.get(name).pid}/fd`).catch(() => [])
    return files.length
  }
}

export function kindOf(name: string): Kind {
  const [kind] = basename(name).split('-')
  return kind === 'gateway' || kind === 'bot' ? kind : 'node'
}
