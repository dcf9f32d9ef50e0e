/**
 * A private MariaDB for the test run: started when the first test asks for it, thrown away at the end. It listens on a
 * loopback port of its own and keeps its data in a temporary folder.
 */
import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { createServer } from 'node:http'
import { type AddressInfo, createServer as createSocket } from 'node:net'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { promisify } from 'node:util'
import { createConnection } from 'mysql2/promise'
import type { TestProject } from 'vitest/node'

const run = promisify(execFile)

declare module 'vitest' {
  interface ProvidedContext {
    /** GET it to have MariaDB running; the answer is its URL, without a database. */
    databaseServer: string
  }
}

export interface DatabaseServer {
  url: string
  /** Of the running server. */
  pid(): number
  /** Ends the process and keeps its data: SIGTERM as an operator does it, SIGKILL as a crash. */
  halt(signal: 'SIGTERM' | 'SIGKILL'): Promise<void>
  /** Back on the same port with the same data. */
  resume(): Promise<void>
  /** Ends it and removes its data. */
  stop(): Promise<void>
}

function find(program: string): string {
  const folders = [...(process.env['PATH'] ?? '').split(delimiter), '/usr/sbin', '/usr/local/sbin', '/usr/bin']
  const found = folders.map((folder) => join(folder, program)).find((file) => existsSync(file))
  if (found) return found
  throw new Error(
    `The database tests need MariaDB, and ${program} is not on this machine. Install it (apt-get install -y mariadb-server), or run npm test as root, which does.`,
  )
}

async function freePort(): Promise<number> {
  const socket = createSocket().listen(0, '127.0.0.1')
  await once(socket, 'listening')
  const { port } = socket.address() as AddressInfo
  socket.close()
  await once(socket, 'close')
  return port
}

/** `bufferPool`: tests keep little; its own default is 128M. */
export async function startDatabaseServer({
  collation = 'utf8mb4_bin',
  bufferPool = '64M',
} = {}): Promise<DatabaseServer> {
  const server = find('mariadbd')
  const install = find('mariadb-install-db')
  const folder = await mkdtemp(join(tmpdir(), 'switchboard-mariadb-'))
  const asRoot = process.getuid?.() === 0 ? ['--user=root'] : []
  const data = join(folder, 'data')
  // At its start a server removes the temporary tables that it finds there, also those of another one that runs.
  const ownTemporary = [`--tmpdir=${folder}`]
  await run(install, [
    '--no-defaults',
    `--datadir=${data}`,
    ...ownTemporary,
    ...asRoot,
    '--auth-root-authentication-method=normal',
    '--skip-test-db',
    '--innodb-log-file-size=8M',
    '--innodb-buffer-pool-size=32M',
  ])
  const port = await freePort()
  const log = join(folder, 'log')
  const launch = () =>
    spawn(
      server,
      [
        '--no-defaults',
        ...asRoot,
        ...ownTemporary,
        `--datadir=${data}`,
        `--socket=${join(folder, 'socket')}`,
        `--pid-file=${join(folder, 'pid')}`,
        `--log-error=${log}`,
        '--bind-address=127.0.0.1',
        `--port=${port}`,
        '--skip-name-resolve',
        '--skip-log-bin',
        `--innodb-buffer-pool-size=${bufferPool}`,
        '--max-connections=500',
        '--character-set-server=utf8mb4',
        `--collation-server=${collation}`,
        '--default-time-zone=+00:00',
      ],
      { stdio: 'ignore' },
    )
  let child = launch()
  const halt = (signal: NodeJS.Signals) => end(child, signal)
  const resume = () => {
    child = launch()
    return answering(child, port)
  }
  const stop = async () => {
    await halt('SIGTERM')
    await rm(folder, { recursive: true, force: true })
  }
  try {
    await answering(child, port)
    return { url: `mysql://root@127.0.0.1:${port}`, pid: () => child.pid as number, halt, resume, stop }
  } catch (cause) {
    const said = await readFile(log, 'utf8').catch(() => '')
    await stop()
    throw new Error(`The private MariaDB did not start:\n${said.slice(-2_000)}`, { cause })
  }
}

async function answering(child: ChildProcess, port: number): Promise<void> {
  const until = Date.now() + 30_000
  for (;;) {
    try {
      const connection = await createConnection({ host: '127.0.0.1', port, user: 'root' })
      await connection.end()
      return
    } catch (error) {
      if (child.exitCode !== null || child.signalCode !== null || Date.now() > until) throw error
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
  }
}

async function end(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const ended = once(child, 'exit')
  child.kill(signal)
  const force = setTimeout(() => child.kill('SIGKILL'), 5_000)
  await ended
  clearTimeout(force)
}

/** Vitest's global set-up: offers the server, and starts it only for a run that has database tests. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  let server: Promise<DatabaseServer> | undefined
  const starter = createServer((_, response) => {
    server ??= startDatabaseServer()
    server.then(
      ({ url }) => response.end(url),
      (error: unknown) => {
        response.statusCode = 500
        response.end(error instanceof Error ? error.message : String(error))
      },
    )
  }).listen(0, '127.0.0.1')
  await once(starter, 'listening')
  project.provide('databaseServer', `http://127.0.0.1:${(starter.address() as AddressInfo).port}`)
  return async () => {
    starter.closeAllConnections()
    starter.close()
    const started = await server?.catch(() => undefined)
    await started?.stop()
  }
}
