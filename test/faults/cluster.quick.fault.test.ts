import { createHash, randomBytes } from 'node:crypto'
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as grpc from '@grpc/grpc-js'
import { generate } from 'selfsigned'
import { expect } from 'vitest'
import { createNodeClient, type NodeClient } from '../../proto/node-client.js'
import { clientCredentials, type ClusterSecurity, tokenInterceptor } from '../../proto/security.js'
import { newId } from '../../runtime/ids.js'
import { startTestNode } from '../../session-node/testing.js'
import { row } from './row.js'

const token = 'the-token-of-the-cluster'

row('F29', 'callers of a node without the right certificate, token or manners', async ({ afterwards }) => {
  const directory = await mkdtemp(join(tmpdir(), 'switchboard-tls-'))
  afterwards(() => rm(directory, { recursive: true, force: true }))
  const ours = await authority()
  const server = await pemFiles(directory, 'server', ours, {})
  const security = { token, tls: server, insecure: false }
  const test = await startTestNode({ config: { security } })
  afterwards(() => test.stop())
  const clients: NodeClient[] = []
  afterwards(async () => clients.forEach((client) => client.close()))
  const clientOf = (trusted: ClusterSecurity) => {
    const client = createNodeClient(test.node.address(), trusted)
    clients.push(client)
    return client
  }
  const right = clientOf({ ...security, tls: await pemFiles(directory, 'client', ours, {}) })
  const statuses: Record<string, string> = {}
  /** What a call that must not be carried out ends with, as gRPC has it. */
  const refused = async (what: string, call: Promise<unknown>) => {
    const error = await call.then(
      () => undefined,
      (thrown: unknown) => thrown,
    )
    const { code } = ((error as Error | undefined)?.cause ?? {}) as { code?: grpc.status }
    statuses[what] = code === undefined ? String(error) : String(grpc.status[code])
  }
  const start = (client: NodeClient) =>
    client.call(
      'StartSession',
      { sessionId: newId('ses'), tenantId: 'ten_default', name: 'x', engine: 'sandbox' },
      { timeoutMs: 5_000 },
    )

  const strangers = await authority()
  const long = 86_400_000
  const expired = { from: new Date(Date.now() - 2 * long), to: new Date(Date.now() - long) }
  const foreign = await pemFiles(directory, 'foreign', strangers, {})
  const anonymous = new grpc.Client(test.node.address(), grpc.credentials.createSsl(Buffer.from(ours.cert)), {
    interceptors: [tokenInterceptor({ token, insecure: false })],
  })
  afterwards(async () => anonymous.close())
  await refused('no certificate', raw(anonymous, 'StartSession'))
  await refused('certificate of another CA', start(clientOf({ ...security, tls: { ...foreign, ca: server.ca } })))
  await refused('trusting another CA', start(clientOf({ ...security, tls: { ...server, ca: foreign.ca } })))
  const old = await pemFiles(directory, 'old', ours, expired)
  await refused('expired certificate', start(clientOf({ ...security, tls: old })))
  await refused('in the clear', start(clientOf({ token, insecure: true })))
  await refused('no token', start(clientOf({ ...security, token: undefined })))
  await refused('wrong token', start(clientOf({ ...security, token: 'another-token-altogether' })))
  await refused('5 MiB', right.call('StartSession', { sessionId: newId('ses'), name: 'x'.repeat(5 * 2 ** 20) }))

  const file = randomBytes(600_000)
  const info = { sha256: createHash('sha256').update(file).digest('hex'), size: file.length, mimetype: 'image/png' }
  const damaged = Buffer.from(file)
  damaged[400_000] = (damaged[400_000] ?? 0) ^ 1
  await refused('damaged file', right.uploadMedia(info, pieces(damaged)))
  await refused('half a file', right.uploadMedia(info, pieces(file.subarray(0, 300_000))))
  const trusted = new grpc.Client(test.node.address(), clientCredentials(security), {
    interceptors: [tokenInterceptor(security)],
  })
  afterwards(async () => trusted.close())
  await refused('unknown method', raw(trusted, 'MakeCoffee'))

  expect(statuses).toEqual({
    'no certificate': 'UNAVAILABLE',
    'certificate of another CA': 'UNAVAILABLE',
    'trusting another CA': 'UNAVAILABLE',
    'expired certificate': 'UNAVAILABLE',
    'in the clear': 'UNAVAILABLE',
    'no token': 'UNAUTHENTICATED',
    'wrong token': 'UNAUTHENTICATED',
    '5 MiB': 'RESOURCE_EXHAUSTED',
    'damaged file': 'DATA_LOSS',
    'half a file': 'DATA_LOSS',
    'unknown method': 'UNIMPLEMENTED',
  })
  // Nothing of it was carried out, and who is right is served as before.
  expect(await right.call('ListSessions', {})).toEqual({ sessions: [] })
  expect(await readdir(join(test.dataDir, 'node-media'))).toEqual([])
  expect(await right.uploadMedia(info, pieces(file))).toEqual({ existed: false })
  await start(right)

  for (const [problem, trust] of [
    ['CLUSTER_TOKEN', { tls: server, insecure: false }],
    ['GRPC_TLS_CA', { token, insecure: false }],
  ] as const) {
    const open = startTestNode({ config: { security: trust, listen: '0.0.0.0:0' } })
    await expect(open).rejects.toThrow(problem)
  }
  return Object.entries(statuses)
    .map(([what, status]) => `${what}: ${status}`)
    .join(', ')
})

/** One call without the types of the contract, by which some of these could not be written down. */
function raw(client: grpc.Client, method: string): Promise<unknown> {
  const same = (bytes: Buffer) => bytes
  return new Promise((resolve, reject) => {
    const deadline = Date.now() + 5_000
    client.makeUnaryRequest(
      `/switchboard.v1.SessionNode/${method}`,
      same,
      same,
      Buffer.alloc(0),
      { deadline },
      (error, answer) => (error ? reject(new Error('refused', { cause: error })) : resolve(answer)),
    )
  })
}

async function* pieces(file: Buffer) {
  yield file
}

interface Pair {
  key: string
  cert: string
}

async function authority(): Promise<Pair> {
  const made = await generate([{ name: 'commonName', value: 'Cluster CA' }], {
    keyType: 'ec',
    algorithm: 'sha256',
    extensions: [
      { name: 'basicConstraints', cA: true, critical: true },
      { name: 'keyUsage', keyCertSign: true },
    ],
  })
  return { key: made.private, cert: made.cert }
}

/** A certificate for 127.0.0.1 by a CA of ours, as files. */
async function pemFiles(directory: string, name: string, ca: Pair, { from, to }: { from?: Date; to?: Date }) {
  const made = await generate([{ name: 'commonName', value: name }], {
    keyType: 'ec',
    algorithm: 'sha256',
    ca,
    ...(from ? { notBeforeDate: from } : {}),
    ...(to ? { notAfterDate: to } : {}),
    extensions: [{ name: 'subjectAltName', altNames: [{ type: 7, ip: '127.0.0.1' }] }],
  })
  const path = (what: string) => join(directory, `${name}-${what}.pem`)
  const files = { ca: path('ca'), cert: path('cert'), key: path('key') }
  await writeFile(files.ca, ca.cert)
  await writeFile(files.cert, made.cert)
  await writeFile(files.key, made.private)
  return files
}
