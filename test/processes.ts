/** Starts our processes as an operator would, watches what they log, and proves that nothing of them is left. */
import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, existsSync, openSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { isBuilt } from '../scripts/build.mjs'
import { until } from './until.js'

const root = fileURLToPath(new URL('..', import.meta.url))

export type LogLine = { msg: string; level: number } & Record<string, unknown>

export interface RunningProcess {
  readonly pid: number
  /** Everything that it wrote, for looking for what must not be there. */
  output(): string
  lines(): LogLine[]
  /** The first line with this message and these fields, already written or still to come. */
  logged(message: string, fields?: Record<string, unknown>): Promise<LogLine>
  /** SIGTERM; answers with the exit code and how long it took. */
  stop(): Promise<{ code: number | null; ms: number }>
  kill(signal?: NodeJS.Signals): Promise<void>
  signal(signal: NodeJS.Signals): void
  ended(): boolean
}

/** The environment that a child starts from: what it needs of ours, and none of our settings. */
function baseEnvironment(): NodeJS.ProcessEnv {
  const kept = ['PATH', 'HOME', 'LANG', 'TMPDIR', 'CHROMIUM_PATH', 'npm_config_cache']
  return Object.fromEntries(kept.flatMap((name) => (process.env[name] ? [[name, process.env[name]]] : [])))
}

let built: boolean | undefined

/**
 * As it is compiled for production, when that is up to date: it starts in half the time. What only tests have, and what
 * was edited since, goes through tsx.
 */
function commandOf(entry: string): string[] {
  const compiled = `dist/${entry.replace(/\.ts$/, '.js')}`
  return (built ??= isBuilt()) && existsSync(join(root, compiled)) ? [compiled] : ['--import', 'tsx', entry]
}

/** `entry` is a path from the root, such as `gateway/main.ts`. With `logTo` its standard output is that file. */
export function startProcess(
  entry: string,
  env: Record<string, string>,
  { logTo }: { logTo?: string | undefined } = {},
): RunningProcess {
  const logFile = logTo === undefined ? undefined : openSync(logTo, 'a')
  const child: ChildProcess = spawn(process.execPath, commandOf(entry), {
    cwd: root,
    env: { ...baseEnvironment(), LOG_LEVEL: 'debug', ...env },
    stdio: ['ignore', logFile ?? 'pipe', 'pipe'],
  })
  if (logFile !== undefined) closeSync(logFile)
  const written: string[] = []
  const lines: LogLine[] = []
  const exited = new Promise<number | null>((resolve) => child.once('exit', (code) => resolve(code)))
  const take = (line: string) => {
    written.push(line)
    if (!line.startsWith('{')) return
    try {
      lines.push(JSON.parse(line) as LogLine)
    } catch {
      // A line for people that happens to begin with a brace stays in the output.
    }
  }
  for (const stream of [child.stdout, child.stderr]) if (stream) createInterface({ input: stream }).on('line', take)
  let taken = 0
  /** What has come to the file since the last look. */
  const look = () => {
    if (logTo === undefined) return
    const text = readFileSync(logTo, 'utf8').slice(taken)
    const whole = text.slice(0, text.lastIndexOf('\n') + 1)
    taken += whole.length
    for (const line of whole.split('\n')) if (line !== '') take(line)
  }
  let over = false
  void exited.then(() => (over = true))

  async function logged(message: string, fields: Record<string, unknown> = {}): Promise<LogLine> {
    const matches = (line: LogLine) =>
      line.msg === message && Object.entries(fields).every(([name, value]) => line[name] === value)
    return until(
      `${entry} logs ${message}`,
      () => {
        look()
        const line = lines.find(matches)
        if (!line && over)
          throw new Error(`${entry} ended before it logged ${message}:\n${written.slice(-30).join('\n')}`)
        return line
      },
      { timeoutMs: 60_000, seen: () => written.slice(-10) },
    )
  }

  async function stop() {
    const began = Date.now()
    child.kill('SIGTERM')
    const code = await exited
    return { code, ms: Date.now() - began }
  }

  async function kill(signal: NodeJS.Signals = 'SIGKILL') {
    child.kill(signal)
    await exited
  }

  if (child.pid === undefined) throw new Error(`${entry} did not start`)
  return {
    pid: child.pid,
    output: () => (look(), written.join('\n')),
    lines: () => (look(), lines),
    logged,
    stop,
    kill,
    signal: (signal) => void child.kill(signal),
    ended: () => over,
  }
}

/** Processes whose command line names `marker` (a data directory): what is left of a node's browsers. */
export function processesNaming(marker: string): { pid: number; command: string }[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
    .flatMap((name) => {
      try {
        const command = readFileSync(`/proc/${name}/cmdline`, 'utf8').replaceAll('\0', ' ').trim()
        return command.includes(marker) ? [{ pid: Number(name), command }] : []
      } catch {
        // It ended while we looked.
        return []
      }
    })
}

/** The main browser processes on profiles below `marker`: the ones that own a profile. */
export function browsersOn(marker: string): { pid: number; command: string }[] {
  return processesNaming(marker).filter(
    ({ command }) => command.includes('--user-data-dir=') && !command.includes('--type='),
  )
}
