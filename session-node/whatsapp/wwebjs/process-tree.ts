import { readdirSync, readFileSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { AppError } from '../../../runtime/app-error.js'
import { sleep } from '../../../runtime/clock.js'

interface Process {
  pid: number
  parent: number
  group: number
  args: string[]
}

/**
 * The processes of the browser on one profile. Chromium's main process, and a wrapper script around it, name the
 * profile in their arguments; the others (zygotes, renderers) share their process group or descend from them.
 */
export function browserTree(userDataDir: string, alsoGroup?: number): number[] {
  const all = listProcesses()
  const roots = all.filter((process) => namesProfile(process, userDataDir))
  const groups = new Set(roots.filter(({ pid, group }) => leads(all, group, pid)).map(({ group }) => group))
  if (alsoGroup !== undefined) groups.add(alsoGroup)
  const pids = new Set(all.filter(({ pid, group }) => groups.has(group) && pid !== process.pid).map(({ pid }) => pid))
  for (const { pid } of roots) pids.add(pid)
  for (let grown = true; grown;) {
    grown = false
    for (const { pid, parent } of all) {
      if (!pids.has(parent) || pids.has(pid)) continue
      pids.add(pid)
      grown = true
    }
  }
  return [...pids]
}

/** Chromium's main process: not one of its helpers, and not the wrapper script that started it. */
export function mainProcess(userDataDir: string): number | undefined {
  const named = listProcesses().filter(
    (process) => namesProfile(process, userDataDir) && !process.args.some((arg) => arg.startsWith('--type=')),
  )
  const parents = new Set(named.map(({ parent }) => parent))
  return named.find(({ pid }) => !parents.has(pid))?.pid
}

/**
 * Ends the browser on a profile: SIGTERM, so that Chromium can write what it holds, then SIGKILL. Resolves with the
 * number of processes that were there; throws `unavailable` when some of them do not go away.
 */
export async function endBrowserTree(
  userDataDir: string,
  { group, termMs = 5_000, killMs = 5_000 }: { group?: number | undefined; termMs?: number; killMs?: number } = {},
): Promise<number> {
  const found = browserTree(userDataDir, group)
  if (found.length === 0) return 0
  if (termMs > 0) {
    signal(found, 'SIGTERM')
    if (await gone(userDataDir, group, termMs)) return found.length
  }
  signal(browserTree(userDataDir, group), 'SIGKILL')
  if (await gone(userDataDir, group, killMs)) return found.length
  throw new AppError('unavailable', 'The browser of this session does not end.', { reason: 'browser_crashed' })
}

/** Proportional memory of the processes in bytes: shared pages are counted once over all of them. */
export async function pssBytes(pids: number[]): Promise<number> {
  const sizes = await Promise.all(
    pids.map(async (pid) => {
      const rollup = await readFile(`/proc/${pid}/smaps_rollup`, 'utf8').catch(() => '')
      return Number(/^Pss:\s+(\d+) kB/m.exec(rollup)?.[1] ?? 0) * 1024
    }),
  )
  return sizes.reduce((sum, size) => sum + size, 0)
}

async function gone(userDataDir: string, group: number | undefined, ms: number): Promise<boolean> {
  const end = performance.now() + ms
  for (;;) {
    const left = browserTree(userDataDir, group)
    if (left.length === 0) return true
    if (performance.now() > end) return false
    await sleep(50)
  }
}

function signal(pids: number[], name: 'SIGTERM' | 'SIGKILL'): void {
  for (const pid of pids) {
    try {
      process.kill(pid, name)
    } catch (thrown) {
      if ((thrown as NodeJS.ErrnoException).code !== 'ESRCH') throw thrown
    }
  }
}

function namesProfile({ args }: Process, userDataDir: string): boolean {
  return args.includes(`--user-data-dir=${userDataDir}`)
}

/** Whether the group is the browser's own: its leader is the process itself or one that is not there any more. */
function leads(all: Process[], group: number, pid: number): boolean {
  return group === pid || !all.some((process) => process.pid === group) || isBrowserGroup(all, group)
}

function isBrowserGroup(all: Process[], group: number): boolean {
  return all.some((process) => process.pid === group && process.args.some((arg) => arg.startsWith('--user-data-dir=')))
}

/** Without zombies: those hold nothing any more, and in a container nobody may ever reap them. */
function listProcesses(): Process[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => {
      try {
        const stat = readFileSync(`/proc/${name}/stat`, 'utf8')
        // The command's name, in brackets, may itself hold brackets and blanks.
        const [state, parent, group] = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
        if (state === 'Z' || state === 'X') return []
        const args = readFileSync(`/proc/${name}/cmdline`, 'utf8').split('\0')
        return [{ pid: Number(name), parent: Number(parent), group: Number(group), args: spread(args) }]
      } catch {
        return []
      }
    })
}

/** Chromium rewrites the command line of some of its processes into one string. */
function spread(args: string[]): string[] {
  return args.flatMap((arg) => (arg.includes(' --') ? arg.split(/ (?=--)/) : [arg]))
}
