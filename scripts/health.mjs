// Asks a process of this machine whether it is well, as the health checks of the containers do:
//   node scripts/health.mjs gateway | session-node
// Reads the same settings as the process it asks. Exit code 0: well. Anything else comes with a sentence.
import { readFileSync } from 'node:fs'
import grpc from '@grpc/grpc-js'
import { service as healthService } from 'grpc-health-check'

const TIMEOUT_MS = 4_000
const checks = { gateway: askGateway, 'session-node': askSessionNode }

const check = checks[process.argv[2]]
try {
  if (!check) throw new Error(`Usage: node scripts/health.mjs ${Object.keys(checks).join('|')}`)
  console.log(await check(process.env))
} catch (error) {
  console.error(error.message)
  process.exitCode = 1
}

/** Ready means: the database answers. */
async function askGateway({ PORT = '3000' }) {
  const url = `http://127.0.0.1:${PORT}/readyz`
  const answer = await fetch(url, { signal: AbortSignal.timeout(TIMEOUT_MS) })
  if (!answer.ok) throw new Error(`${url} answers ${answer.status}`)
  return 'ready'
}

/** Serving means: the journal is open and calls are answered. */
async function askSessionNode({ NODE_LISTEN = '', GRPC_TLS_CA, GRPC_TLS_CERT, GRPC_TLS_KEY }) {
  const target = targetOf(NODE_LISTEN)
  const tls = GRPC_TLS_CA && GRPC_TLS_CERT && GRPC_TLS_KEY
  const credentials = tls
    ? grpc.credentials.createSsl(
        ...[GRPC_TLS_CA, GRPC_TLS_KEY, GRPC_TLS_CERT].map((path) => readFileSync(path)),
        // The certificate names this machine as others call it, and we call it by its loopback address.
        { checkServerIdentity: () => undefined },
      )
    : grpc.credentials.createInsecure()
  const Health = grpc.makeGenericClientConstructor(healthService, 'grpc.health.v1.Health')
  const client = new Health(target, credentials)
  try {
    const { status } = await new Promise((resolve, reject) =>
      client.check({ service: '' }, { deadline: Date.now() + TIMEOUT_MS }, (error, response) =>
        error ? reject(error) : resolve(response),
      ),
    )
    if (status !== 'SERVING') throw new Error(`The session node answers ${status}`)
    return 'serving'
  } finally {
    client.close()
  }
}

/** Where the node listens, as it is called from the same machine. */
function targetOf(listen) {
  if (listen.startsWith('unix:')) return listen
  const port = listen.slice(listen.lastIndexOf(':') + 1)
  if (!/^\d+$/.test(port)) throw new Error('NODE_LISTEN names no port')
  const host = listen.slice(0, listen.lastIndexOf(':'))
  return ['', '0.0.0.0', '[::]'].includes(host) ? `127.0.0.1:${port}` : listen
}
