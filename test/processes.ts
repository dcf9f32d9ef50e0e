/** Starts our processes as an operator would, watches what they log, and proves that nothing of them is left. */
import { type ChildProcess, spawn } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
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

/** `entry` is a path from the root, such as `gateway/main.ts`. */
export function startProcess(entry: string, env: Record<string, string>): RunningProcess {
  const child: ChildProcess = spawn(process.execPath, ['--import', 'tsx', entry], {
    cwd: root,
    env: { ...baseEnvironment(), LOG_LEVEL: 'debug', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const written: string[] = []
  const lines: LogLine[] = []
  const exited = new Promise<number | null>((resolve) => child.once('exit', (code) => resolve(code)))
  for (const stream of [child.stdout, child.stderr]) {
    if (!stream) throw new Error('The process has no output')
    createInterface({ input: stream }).on('line', (line) => {
      written.push(line)
      if (!line.startsWith('{')) return
      try {
        lines.push(JSON.parse(line) as LogLine)
      } catch {
        // A line for people that happens to begin with a brace stays in the output.
      }
    })
  }
  let over = false
  void exited.then(() => (over = true))

  async function logged(message: string, fields: Record<string, unknown> = {}): Promise<LogLine> {
    const matches = (line: LogLine) =>
      line.msg === message && Object.entries(fields).every(([name, value]) => line[name] === value)
    return until(
      `${entry} logs ${message}`,
      () => {
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
    output: () => written.join('\n'),
    lines: () => lines,
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
