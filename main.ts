/** Everything in one process, as `npm start` runs it: a session node, the gateway, and the bot if there is a token. */
import { randomBytes } from 'node:crypto'
import { join, relative } from 'node:path'
import { createBot } from './bot/bot.js'
import { readBotConfig } from './bot/config.js'
import { type GatewayConfig, readGatewayConfig } from './gateway/config.js'
import { createGateway, type Gateway } from './gateway/gateway.js'
import { systemClock } from './runtime/clock.js'
import { inOrder, main, run, type Service } from './runtime/lifecycle.js'
import { createLog } from './runtime/log.js'
import { processMetrics } from './runtime/metrics.js'
import { createMetricsServer } from './runtime/metrics-server.js'
import { steadyClock } from './runtime/steady-clock.js'
import { loadEnvFile, SettingsError } from './runtime/settings.js'
import { readSessionNodeConfig } from './session-node/config.js'
import { createSessionNode } from './session-node/session-node.js'

/** Browsers write their profiles when a node stops; this is the longest of the three bounds. */
const GRACE_MS = 40_000

function readConfigs() {
  loadEnvFile()
  const given = Object.fromEntries(Object.entries(process.env).filter(([, value]) => value !== ''))
  // The node of this process is nobody else's: any free port, and a token that lives as long as the process.
  const env = { NODE_LISTEN: '127.0.0.1:0', CLUSTER_TOKEN: randomBytes(32).toString('hex'), ...given }
  const problems: string[] = []
  const attempt = <Config>(read: (env: NodeJS.ProcessEnv) => Config) => {
    try {
      return read(env)
    } catch (error) {
      if (!(error instanceof SettingsError)) throw error
      problems.push(error.message)
      return undefined
    }
  }
  const [gateway, node, bot] = [attempt(readGatewayConfig), attempt(readSessionNodeConfig), attempt(readBotConfig)]
  if (gateway && node && bot !== undefined) return { gateway, node, bot }
  // What two processes read is told once.
  const lines = new Set(problems.flatMap((problem) => problem.split('\n')))
  throw new SettingsError([...lines].join('\n'))
}

function createWhole({ gateway: gatewayConfig, node: nodeConfig, bot: botConfig }: ReturnType<typeof readConfigs>) {
  const log = createLog('switchboard', gatewayConfig.logLevel)
  const metrics = processMetrics()
  const own = gatewayConfig.nodes.length === 0
  const node = createSessionNode(nodeConfig, {
    log: log.child({ part: 'session-node' }),
    clock: systemClock,
    steady: steadyClock(),
    ...(own ? { metrics } : {}),
  })
  const nodes = () => (own ? [node.address()] : gatewayConfig.nodes)
  const gateway = createGateway(gatewayConfig, { log: log.child({ part: 'gateway' }), nodes, metrics })
  // One port for all parts: that of the gateway.
  const told = createMetricsServer(gatewayConfig.metrics, metrics, log)
  const parts: Service[] = own ? [told, node, gateway] : [told, gateway]
  if (botConfig) parts.push(lateBot(botConfig, gateway, nodes))
  // What is told is a courtesy: it must not stop what runs.
  const telling = () =>
    tell(gateway, gatewayConfig).catch((err: unknown) => log.warn({ err }, 'switchboard.start_not_told'))
  parts.push({ start: telling, stop: async () => {} })

  /** The bot's key and the node's address are known once the others have started. */
  function lateBot(config: NonNullable<typeof botConfig>, gateway: Gateway, nodes: () => string[]): Service {
    let bot: Service | undefined
    async function start() {
      const access = config.gateway ?? {
        url: gateway.localUrl(),
        apiKey: await gateway.issueKey({ name: 'bot in the same process', scopes: ['admin'], replace: true }),
      }
      bot = createBot(
        { ...config, nodes: nodes() },
        { log: log.child({ part: 'bot' }), gateway: () => access, metrics },
      )
      await bot.start()
    }
    return { start, stop: async () => bot?.stop() }
  }

  log.info({ ...nodeConfig.shown, ...gatewayConfig.shown, ...botConfig?.shown }, 'switchboard.settings')
  return { service: inOrder(...parts), log }
}

/** For the person who typed `npm start`. The log is on standard output; this is not. */
async function tell(gateway: Gateway, { dataDir, adminApiKey }: GatewayConfig): Promise<void> {
  const url = gateway.url()
  const key = gateway.adminApiKey()
  const path = join(dataDir, 'admin-api-key')
  const near = relative('', path)
  const file = near.startsWith('..') ? path : near
  const paragraphs = [`Switchboard is running at ${url}`]
  if (key?.isNew) paragraphs.push(`Your admin key, shown this once and kept in ${file}:\n\n  ${key.text}`)
  if (key) paragraphs.push(...(await whatToScan(gateway.localUrl(), key.text)))
  const exportKey = adminApiKey ? 'export KEY=...   # what you set as ADMIN_API_KEY' : `export KEY=$(cat ${file})`
  paragraphs.push(
    `Then send a message:\n\n  ${exportKey}\n` +
      `  curl -X POST ${url}/api/v1/messages/send-text -H "Authorization: Bearer $KEY" \\\n` +
      `    -H 'Content-Type: application/json' -d '{"recipient": "+49...", "message": "Hello"}'`,
  )
  paragraphs.push('What else there is: README.md and docs/api.md. Ctrl+C stops it.')
  process.stderr.write(`\n${paragraphs.join('\n\n')}\n\n`)
}

interface ToldSession {
  name: string
  status: string
  phone?: string
}

/** Links to the pages of sessions that wait for a phone. The first start makes a session to begin with. */
async function whatToScan(url: string, key: string): Promise<string[]> {
  const ask = async <Body>(path: string, body?: unknown): Promise<Body> => {
    const answer = await fetch(`${url}/api/v1${path}`, {
      ...(body ? { method: 'POST', body: JSON.stringify(body) } : {}),
      headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
      signal: AbortSignal.timeout(5_000),
    })
    const answered = (await answer.json()) as Body & { detail?: string }
    if (!answer.ok) throw new Error(`${path} answered ${answer.status}: ${answered.detail}`)
    return answered
  }
  const link = async ({ name }: ToldSession) => (await ask<{ url: string }>(`/sessions/${name}/link`, {})).url

  const { data: sessions } = await ask<{ data: ToldSession[] }>('/sessions?limit=20')
  if (sessions.length === 0) {
    const nodes = await ask<{ data: { browserProblem?: string }[] }>('/nodes')
    const problem = nodes.data.find(({ browserProblem }) => browserProblem)?.browserProblem
    if (problem) return [problem]
    // Made but not started: no browser runs until somebody opens the page.
    sessions.push(await ask<ToldSession>('/sessions', { name: 'default', start: false }))
  }
  const lines = await Promise.all(
    sessions.map(async (session) => {
      const { name, status, phone } = session
      const waits = ['created', 'qr_pending', 'stopped', 'logged_out'].includes(status)
      const more = waits ? `  scan: ${await link(session)}` : phone ? `  ${phone}` : ''
      return `  ${name}  ${status}${more}`
    }),
  )
  return [
    `To link a number, open its page and scan the code with the phone (a page is good for 15 minutes):\n\n${lines.join('\n')}`,
  ]
}

await main(async () => {
  const { service, log } = createWhole(readConfigs())
  await run(service, log, { graceMs: GRACE_MS })
})
