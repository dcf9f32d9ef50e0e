/** Everything in one process, as `npm start` runs it: a session node, the gateway, and the bot if there is a token. */
import { randomBytes } from 'node:crypto'
import { join, relative } from 'node:path'
import { createBot } from './bot/bot.js'
import { readBotConfig } from './bot/config.js'
import { type GatewayConfig, readGatewayConfig } from './gateway/config.js'
import { createGateway, type Gateway } from './gateway/gateway.js'
import { systemClock } from './runtime/clock.js'
import { inOrder, run, type Service } from './runtime/lifecycle.js'
import { createLog } from './runtime/log.js'
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
  const own = gatewayConfig.nodes.length === 0
  const node = createSessionNode(nodeConfig, { log: log.child({ part: 'session-node' }), clock: systemClock })
  const nodes = () => (own ? [node.address()] : gatewayConfig.nodes)
  const gateway = createGateway(gatewayConfig, { log: log.child({ part: 'gateway' }), nodes })
  const parts: Service[] = own ? [node, gateway] : [gateway]
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
      bot = createBot({ ...config, nodes: nodes() }, { log: log.child({ part: 'bot' }), gateway: () => access })
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
  const exportKey = adminApiKey ? 'export KEY=...   # what you set as ADMIN_API_KEY' : `export KEY=$(cat ${file})`
  const sessions = key ? await sessionsOf(gateway.localUrl(), key.text) : []
  if (sessions.length > 0) {
    const lines = sessions.map(({ name, status, phone }) => `  ${name}  ${status}${phone ? `  ${phone}` : ''}`)
    paragraphs.push(`Sessions:\n\n${lines.join('\n')}`)
    paragraphs.push(`To link one, open the URL that this answers and scan:\n\n  ${exportKey}\n${linkCommand(url)}`)
  } else {
    paragraphs.push(
      `To link a number, make a session, open the URL that the second call answers, and scan:\n\n  ${exportKey}\n` +
        `  curl -X POST ${url}/api/v1/sessions -H "Authorization: Bearer $KEY" \\\n` +
        `    -H 'Content-Type: application/json' -d '{"name": "default"}'\n${linkCommand(url)}`,
    )
  }
  paragraphs.push('How to send and what else there is: README.md and docs/api.md. Ctrl+C stops it.')
  process.stderr.write(`\n${paragraphs.join('\n\n')}\n\n`)
}

const linkCommand = (url: string) =>
  `  curl -X POST ${url}/api/v1/sessions/default/link -H "Authorization: Bearer $KEY"`

interface ToldSession {
  name: string
  status: string
  phone?: string
}

async function sessionsOf(url: string, key: string): Promise<ToldSession[]> {
  const answer = await fetch(`${url}/api/v1/sessions?limit=20`, {
    headers: { authorization: `Bearer ${key}` },
    signal: AbortSignal.timeout(5_000),
  })
  const { data } = (await answer.json()) as { data?: ToldSession[] }
  return data ?? []
}

async function main(): Promise<void> {
  const configs = readConfigs()
  const { service, log } = createWhole(configs)
  await run(service, log, { graceMs: GRACE_MS })
}

await main().catch((error: unknown) => {
  if (!(error instanceof SettingsError)) throw error
  process.stderr.write(`${error.message}\n`)
  process.exitCode = 1
})
