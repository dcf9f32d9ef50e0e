import { readdirSync, readFileSync } from 'node:fs'

interface Entry {
  pid: number
  parent: number
}

/** Proportional memory (PSS) in MiB of everything that descends from a process, without the process itself. */
export function descendantsPssMiB(pid: number): { pssMiB: number; processes: number } {
  const found = descendants(pid)
  const kib = found.reduce((sum, entry) => sum + pssKiB(entry), 0)
  return { pssMiB: kib / 1024, processes: found.length }
}

export function pssMiB(pid: number): number {
  return pssKiB(pid) / 1024
}

/** What the machine can still give away, by its own account. */
export function availableMiB(): number {
  const line = /^MemAvailable:\s+(\d+) kB$/m.exec(readFileSync('/proc/meminfo', 'utf8'))
  return Number(line?.[1]) / 1024
}

/** The processes that a process has started itself. */
export function childrenOf(pid: number): number[] {
  return allProcesses().flatMap((entry) => (entry.parent === pid ? [entry.pid] : []))
}

function descendants(pid: number): number[] {
  const entries = allProcesses()
  const children = (parent: number): number[] =>
    entries.filter((entry) => entry.parent === parent).flatMap((entry) => [entry.pid, ...children(entry.pid)])
  return children(pid)
}

function allProcesses(): Entry[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => entryOf(Number(name)))
}

function entryOf(pid: number): Entry[] {
  try {
    // The command's name stands in brackets and may hold anything; the parent is the second field after it.
    const [, parent] = readFileSync(`/proc/${pid}/stat`, 'utf8')
      .replace(/^.*\) /s, '')
      .split(' ')
    return [{ pid, parent: Number(parent) }]
  } catch {
    // It ended while we looked.
    return []
  }
}

function pssKiB(pid: number): number {
  try {
    return Number(/^Pss:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8'))?.[1] ?? 0)
  } catch {
    return 0
  }
}
