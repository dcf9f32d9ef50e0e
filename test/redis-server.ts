/** A private Redis for a test: on a loopback port of its own, nothing of it is kept. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { connect, createServer, type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { until } from './until.js'

export interface RedisServer {
  url: string
  /** Takes connections and answers nothing any more. */
  freeze(): void
  thaw(): void
  /** Ends it, as a crash. */
  kill(): Promise<void>
  /** Back on the same port, empty. */
  resume(): Promise<void>
}

export async function startRedisServer(): Promise<RedisServer> {
  const program = find('redis-server')
  const port = await freePort()
  let child: ChildProcess
  const resume = async () => {
    const options = ['--port', String(port), '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no']
    child = spawn(program, [...options, '--dir', tmpdir(), '--daemonize', 'no'], { stdio: 'ignore' })
    await until('Redis answers', () => answers(port))
  }
  await resume()
  return {
    url: `redis://127.0.0.1:${port}`,
    freeze: () => void child.kill('SIGSTOP'),
    thaw: () => void child.kill('SIGCONT'),
    resume,
    async kill() {
      if (child.exitCode !== null || child.signalCode !== null) return
      const ended = once(child, 'exit')
      child.kill('SIGKILL')
      await ended
    },
  }
}

function find(program: string): string {
  const folders = [...(process.env['PATH'] ?? '').split(delimiter), '/usr/bin', '/usr/local/bin', '/usr/sbin']
  const found = folders.map((folder) => join(folder, program)).find((file) => existsSync(file))
  if (found) return found
  throw new Error(
    `The tests of rate limits need Redis, and ${program} is not on this machine. Install it (apt-get install -y redis-server), or run npm test as root, which does.`,
  )
}

async function freePort(): Promise<number> {
  const socket = createServer().listen(0, '127.0.0.1')
  await once(socket, 'listening')
  const { port } = socket.address() as AddressInfo
  socket.close()
  await once(socket, 'close')
  return port
}

async function answers(port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1')
  try {
    await once(socket, 'connect')
    socket.write('PING\r\n')
    const [answer] = (await once(socket, 'data')) as [Buffer]
    return answer.toString().startsWith('+PONG')
  } catch {
    return false
  } finally {
    socket.destroy()
  }
}
