/** What the kernel says of a process. */
import { readFileSync } from 'node:fs'

/** One letter: `T` when it is stopped. Undefined when it is gone. */
export function stateOf(pid: number): string | undefined {
  return fieldsOf(pid)[0]
}

export function parentOf(pid: number): number {
  return Number(fieldsOf(pid)[1] ?? 0)
}

/** From the state on: the command's name before it may hold blanks. */
function fieldsOf(pid: number): string[] {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  } catch {
    return []
  }
}

export function endProcess(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
  }
}
