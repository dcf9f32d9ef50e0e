import { readdir, readFile, readlink } from 'node:fs/promises'

/**
 * Kills the renderer processes of the browser at the other end of a connection, as the kernel kills one that eats too
 * much. The port leads to the socket, the socket to its process, that one up to the browser and down to its renderers.
 */
export async function crashRenderers(port: number): Promise<void> {
  const inode = await inodeOf(port)
  const processes = await listProcesses()
  const owner = await ownerOf(inode, processes)
  if (!owner) throw new Error(`No process of this machine holds the connection from port ${port}`)
  const browser = browserOf(owner, processes)
  const renderers = [...processes.values()].filter(
    (each) => each.command.includes('--type=renderer') && isUnder(each, browser, processes),
  )
  if (renderers.length === 0) throw new Error('The browser has no renderer')
  for (const { pid } of renderers) process.kill(pid, 'SIGKILL')
}

interface Process {
  pid: number
  parent: number
  command: string
}

/** The browser's end of a loopback connection, as the kernel lists it: local port first. */
async function inodeOf(port: number): Promise<string> {
  const hex = port.toString(16).toUpperCase().padStart(4, '0')
  for (const table of ['/proc/net/tcp', '/proc/net/tcp6']) {
    const lines = (await readFile(table, 'utf8')).split('\n').map((line) => line.trim().split(/\s+/))
    const found = lines.find((columns) => columns[1]?.endsWith(`:${hex}`) && columns[9] !== '0')
    if (found?.[9]) return found[9]
  }
  throw new Error(`No connection from port ${port}`)
}

async function listProcesses(): Promise<Map<number, Process>> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name)).map(Number)
  const found = await Promise.all(pids.map((pid) => describe(pid)))
  return new Map(found.flatMap((each) => (each ? [[each.pid, each]] : [])))
}

/** A process may end while one looks at it. */
async function describe(pid: number): Promise<Process | null> {
  try {
    const stat = await readFile(`/proc/${pid}/stat`, 'utf8')
    const parent = Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1])
    return { pid, parent, command: (await readFile(`/proc/${pid}/cmdline`, 'utf8')).replaceAll('\0', ' ') }
  } catch {
    return null
  }
}

async function ownerOf(inode: string, processes: Map<number, Process>): Promise<Process | undefined> {
  for (const each of processes.values()) {
    if (each.command.includes('chrom') && (await holds(each.pid, inode))) return each
  }
  return undefined
}

/** A process may also end, or close a file, while one looks through its files. */
async function holds(pid: number, inode: string): Promise<boolean> {
  try {
    const files = await readdir(`/proc/${pid}/fd`)
    const targets = await Promise.all(files.map((file) => readlink(`/proc/${pid}/fd/${file}`).catch(() => '')))
    return targets.includes(`socket:[${inode}]`)
  } catch {
    return false
  }
}

/** The topmost ancestor that is still a part of the browser: the only one without a type. */
function browserOf(part: Process, processes: Map<number, Process>): Process {
  let each = part
  while (each.command.includes('--type=')) {
    const parent = processes.get(each.parent)
    if (!parent) throw new Error(`Process ${each.pid} has no browser above it`)
    each = parent
  }
  return each
}

function isUnder(part: Process, browser: Process, processes: Map<number, Process>): boolean {
  for (let each: Process | undefined = part; each; each = processes.get(each.parent)) {
    if (each.pid === browser.pid) return true
  }
  return false
}
