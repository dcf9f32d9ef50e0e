/** A gateway and a session node as processes of their own, as they run in production. */
import { type ChildProcess, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdirSync, openSync, readFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { SimulatorClient } from '../simulator/simulator-client.js'
import { createRest, type Rest } from '../test/rest.js'
import { until } from '../test/until.js'

const root = fileURLToPath(new URL('..', import.meta.url))

export interface Switchboard {
  rest: Rest
  gatewayPid: number
  nodePid: number
  /** The gateway goes on alone. */
  stopNode(): Promise<void>
  /** Makes a session on the simulated WhatsApp and links it; answers with the time from the request to connected. */
  link(name: string, phone: string, whatsapp: SimulatorClient): Promise<number>
  stop(): Promise<void>
}

export interface SwitchboardOptions {
  /** Kept by the caller, who removes it. */
  directory: string
  databaseUrl?: string
  nodeSettings?: Record<string, string>
  gatewaySettings?: Record<string, string>
}

export async function startSwitchboard(options: SwitchboardOptions): Promise<Switchboard> {
  const { directory, databaseUrl, nodeSettings = {}, gatewaySettings = {} } = options
  const [nodePort, gatewayPort] = [await freePort(), await freePort()]
  const key = randomBytes(24).toString('hex')
  const shared = { CLUSTER_TOKEN: randomBytes(24).toString('hex') }
  const node = start('session-node', directory, {
    ...shared,
    NODE_LISTEN: `127.0.0.1:${nodePort}`,
    ...nodeSettings,
  })
  const gateway = start('gateway', directory, {
    ...shared,
    NODES: `127.0.0.1:${nodePort}`,
    PORT: String(gatewayPort),
    SECRET_KEY: randomBytes(32).toString('hex'),
    ADMIN_API_KEY: key,
    ...(databaseUrl ? { DATABASE_URL: databaseUrl } : {}),
    ...gatewaySettings,
  })
  const stop = async () => {
    await gateway.stop()
    await node.stop()
  }
  const rest = createRest(`http://127.0.0.1:${gatewayPort}`, key)
  try {
    await until('the gateway is ready and knows its node', async () => {
      gateway.check()
      node.check()
      const answer = await fetch(`${rest.url}/readyz`).catch(() => undefined)
      const nodes = answer?.ok ? await rest.get('/nodes') : undefined
      return nodes?.body.data?.some((each: { reachable?: boolean; status?: string }) => each.reachable ?? true)
    })
  } catch (error) {
    await stop()
    throw error
  }
  return {
    rest,
    gatewayPid: gateway.pid,
    nodePid: node.pid,
    stopNode: node.stop,
    link: (name, phone, whatsapp) => link(rest, name, phone, whatsapp),
    stop,
  }
}

async function link(rest: Rest, name: string, phone: string, whatsapp: SimulatorClient): Promise<number> {
  const simulated = await whatsapp.phone(phone)
  const began = performance.now()
  const pacing = { gapMs: 0, jitterMs: 0, messagesPerDay: 0 }
  const made = await rest.post('/sessions', { name, pacing })
  if (made.status >= 300) throw new Error(`POST /sessions: ${made.status} ${JSON.stringify(made.body)}`)
  const { qr } = await until(
    `the QR code of ${name}`,
    async () => {
      const answer = await rest.get(`/sessions/${name}/qr`, { accept: 'application/json' })
      return answer.status === 200 && (answer.body as { qr: string })
    },
    { timeoutMs: 90_000 },
  )
  await simulated.scan(qr)
  const session = () => rest.get(`/sessions/${name}`)
  await until(`${name} is connected`, async () => (await session()).body.status === 'connected', { timeoutMs: 60_000 })
  return performance.now() - began
}

interface Child {
  pid: number
  /** Throws when the process has ended. */
  check(): void
  stop(): Promise<void>
}

/** The log goes to a file: reading it here would take from what is measured. */
function start(name: string, directory: string, env: Record<string, string>): Child {
  const dataDir = join(directory, name)
  mkdirSync(dataDir, { recursive: true, mode: 0o700 })
  const log = join(directory, `${name}.log`)
  const file = openSync(log, 'a')
  const kept = Object.fromEntries(
    ['PATH', 'HOME', 'LANG', 'CHROMIUM_PATH'].flatMap((variable) =>
      process.env[variable] ? [[variable, process.env[variable]]] : [],
    ),
  )
  const child: ChildProcess = spawn(process.execPath, [`dist/${name}/main.js`], {
    cwd: root,
    env: { ...kept, DATA_DIR: dataDir, ...env },
    stdio: ['ignore', file, file],
  })
  let over = false
  const ended = new Promise<void>((resolve) =>
    child.once('exit', () => {
      over = true
      resolve()
    }),
  )
  if (child.pid === undefined) throw new Error(`${name} did not start`)
  return {
    pid: child.pid,
    check() {
      if (over) throw new Error(`${name} ended:\n${readFileSync(log, 'utf8').slice(-3_000)}`)
    },
    async stop() {
      if (!over) child.kill('SIGTERM')
      await ended
    },
  }
}

export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.once('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const address = server.address()
      server.close(() => resolve(typeof address === 'object' && address ? address.port : 0))
    })
  })
}
