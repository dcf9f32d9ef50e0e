import { readFileSync } from 'node:fs'
import { freemem } from 'node:os'

const MIB = 2 ** 20
/** Left to everything else on the machine. */
const RESERVE_MIB = 512

/** How many real sessions fit into the memory that is free now. */
export function capacityOf(sessionMemoryMib: number, availableMib = availableMemoryMib()): number {
  return Math.max(1, Math.floor((availableMib - RESERVE_MIB) / sessionMemoryMib))
}

/** What may still be used: of the machine, or of this container when that is less. */
export function availableMemoryMib(): number {
  const machine = /^MemAvailable:\s+(\d+) kB$/m.exec(read('/proc/meminfo'))?.[1]
  const machineMib = machine === undefined ? freemem() / MIB : Number(machine) / 1024
  const limit = Number.parseInt(read('/sys/fs/cgroup/memory.max'), 10)
  const used = Number.parseInt(read('/sys/fs/cgroup/memory.current'), 10)
  return Number.isNaN(limit) || Number.isNaN(used) ? machineMib : Math.min(machineMib, (limit - used) / MIB)
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}
