/** The health checks of docker-compose.yml and Dockerfile, run here against processes that live and die. */
import { execFile, execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest'
import { parse } from 'yaml'
import { type RunningProcess, startProcess } from '../test/processes.js'
import { until } from '../test/until.js'

const root = fileURLToPath(new URL('..', import.meta.url))
const compose = parse(readFileSync(join(root, 'docker-compose.yml'), 'utf8'), { merge: true }) as {
  services: Record<string, { healthcheck: { test: string[] } }>
}

/** Runs a check as Docker does: CMD as it is, CMD-SHELL by /bin/sh. */
function check(service: string, env: Record<string, string>): Promise<{ code: number; said: string }> {
  const [kind, ...rest] = compose.services[service]?.healthcheck.test ?? []
  const [program, ...args] = kind === 'CMD' ? rest : ['/bin/sh', '-c', String(rest[0]).replaceAll('$$', '$')]
  const options = { cwd: root, env: { PATH: process.env.PATH, ...env }, timeout: 20_000 }
  return new Promise((resolve) =>
    execFile(String(program), args, options, (error, stdout, stderr) =>
      resolve({ code: error ? Number(error.code) || 1 : 0, said: `${stdout}${stderr}`.trim() }),
    ),
  )
}

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const address = server.address()
      server.close(() => resolve(typeof address === 'object' && address ? address.port : 0))
    })
  })
}

describe('the health checks of the containers', () => {
  const directory = mkdtempSync(join(tmpdir(), 'switchboard-health-'))
  let node: RunningProcess
  let gateway: RunningProcess
  let nodeEnv: Record<string, string>
  let gatewayEnv: Record<string, string>

  beforeAll(async () => {
    const [nodePort, port] = [await freePort(), await freePort()]
    const CLUSTER_TOKEN = 'a token for the health checks'
    nodeEnv = {
      CLUSTER_TOKEN,
      DATA_DIR: join(directory, 'node'),
      NODE_LISTEN: `0.0.0.0:${nodePort}`,
      GRPC_INSECURE: 'true',
    }
    gatewayEnv = {
      CLUSTER_TOKEN,
      DATA_DIR: join(directory, 'gateway'),
      NODES: `127.0.0.1:${nodePort}`,
      PORT: `${port}`,
    }
    node = startProcess('session-node/main.ts', nodeEnv)
    gateway = startProcess('gateway/main.ts', gatewayEnv)
  })
  afterAll(async () => {
    await Promise.all([node.kill(), gateway.kill()])
    rmSync(directory, { recursive: true, force: true })
  })

  it('says ready for a gateway, and no longer once it is stopped', async () => {
    await until('the gateway is healthy', async () => (await check('gateway', gatewayEnv)).code === 0, { everyMs: 200 })
    await gateway.stop()
    expect(await check('gateway', gatewayEnv)).toMatchObject({
      code: 1,
      said: expect.stringMatching(/fetch failed|ECONNREFUSED/),
    })
  })

  it('says serving for a session node, without the cluster token, and no longer once it is stopped', async () => {
    const { CLUSTER_TOKEN: _, ...env } = nodeEnv
    await until('the node is healthy', async () => (await check('session-node-1', env)).code === 0, { everyMs: 200 })
    await node.stop()
    expect(await check('session-node-1', env)).toMatchObject({ code: 1, said: expect.stringContaining('UNAVAILABLE') })
  })

  it('finds the database alive, and not where there is none', async () => {
    const server = new URL(await (await fetch(inject('databaseServer'))).text())
    // MariaDB's client under the name it has in the image of MySQL.
    const client = execFileSync('which', ['mariadb-admin'], { encoding: 'utf8' }).trim()
    symlinkSync(client, join(directory, 'mysqladmin'))
    const PATH = `${directory}:${process.env.PATH}`
    const env = { PATH, MYSQL_PASSWORD: 'any: ping needs none', MYSQL_TCP_PORT: server.port }
    expect(await check('mysql', env)).toMatchObject({ code: 0 })
    expect((await check('mysql', { ...env, MYSQL_TCP_PORT: String(await freePort()) })).code).not.toBe(0)
  })
})
