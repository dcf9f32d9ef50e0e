import { createHmac } from 'node:crypto'
import { z } from 'zod'
import { type ClusterSecurity, securityOf, securitySettings } from '../proto/security.js'
import type { LogLevel } from '../runtime/log.js'
import { metricsPort, type MetricsTarget, metricsTarget } from '../runtime/metrics-server.js'
import { list, port, readSettings, SettingsError, shownSettings } from '../runtime/settings.js'

export interface BotConfig {
  token: string
  /** Numeric Telegram user ids. Everybody else gets silence. */
  operators: number[]
  apiRoot: string
  /** Absent: long polling. */
  webhook?: WebhookConfig
  /** Absent when the gateway runs in the same process. */
  gateway?: GatewayAccess
  nodes: string[]
  security: ClusterSecurity
  dataDir: string
  logLevel: LogLevel
  /** Where a bot that runs alone tells its metrics. */
  metrics?: MetricsTarget | undefined
  /** The settings as they may be logged. */
  shown: Record<string, unknown>
}

export interface WebhookConfig {
  /** Where Telegram posts updates to; it ends at a reverse proxy that passes them on to host and port. */
  url: string
  host: string
  port: number
  secret: string
}

export interface GatewayAccess {
  url: string
  apiKey: string
}

/** Not those of gateway and node, which may run on the same machine. */
const METRICS_PORT = 9466

const httpUrl = z.url({ protocol: /^https?$/, error: 'must be an http or https URL' })

const settings = {
  TELEGRAM_BOT_TOKEN: z
    .string()
    .regex(/^\d+:[\w-]{10,}$/, 'must be the token that @BotFather gave you, such as 123456:ABC-DEF…')
    .optional(),
  TELEGRAM_OPERATORS: list
    .refine((ids) => ids.every((id) => /^[1-9]\d{0,15}$/.test(id)), 'must be numeric Telegram user ids, not names')
    .transform((ids) => ids.map(Number))
    .default([]),
  TELEGRAM_API_ROOT: httpUrl.default('https://api.telegram.org'),
  TELEGRAM_WEBHOOK_URL: httpUrl.optional(),
  TELEGRAM_WEBHOOK_HOST: z.string().default('127.0.0.1'),
  TELEGRAM_WEBHOOK_PORT: port.default(8443),
  TELEGRAM_WEBHOOK_SECRET: z
    .string()
    .regex(/^[\w-]{16,256}$/, 'must have 16 to 256 of the characters A-Z a-z 0-9 _ -')
    .optional(),
  GATEWAY_URL: httpUrl.optional(),
  GATEWAY_API_KEY: z.string().optional(),
  NODES: list.default([]),
  DATA_DIR: z.string().default('./data'),
  METRICS_HOST: z.string().default('127.0.0.1'),
  METRICS_PORT: metricsPort,
  LOG_LEVEL: z.enum(['trace', 'debug', 'info', 'warn', 'error', 'fatal']).default('info'),
  ...securitySettings,
}

const secrets = ['TELEGRAM_BOT_TOKEN', 'TELEGRAM_WEBHOOK_SECRET', 'GATEWAY_API_KEY', 'CLUSTER_TOKEN']

/** Null without a token: no bot is wanted. Throws `SettingsError`. */
export function readBotConfig(env: NodeJS.ProcessEnv): BotConfig | null {
  const given = readSettings(settings, env)
  const token = given.TELEGRAM_BOT_TOKEN
  if (token === undefined) return null
  if (given.TELEGRAM_OPERATORS.length === 0) {
    throw new SettingsError(
      'TELEGRAM_BOT_TOKEN is set, but TELEGRAM_OPERATORS is not: without operators nobody may use the bot, so it does ' +
        'not start. Set it to your numeric Telegram user id (send /start to @userinfobot to see it); several are ' +
        'separated by commas.',
    )
  }
  return {
    token,
    operators: given.TELEGRAM_OPERATORS,
    apiRoot: given.TELEGRAM_API_ROOT,
    ...(given.TELEGRAM_WEBHOOK_URL
      ? {
          webhook: {
            url: given.TELEGRAM_WEBHOOK_URL,
            host: given.TELEGRAM_WEBHOOK_HOST,
            port: given.TELEGRAM_WEBHOOK_PORT,
            secret: given.TELEGRAM_WEBHOOK_SECRET ?? derivedSecret(token),
          },
        }
      : {}),
    ...(given.GATEWAY_URL && given.GATEWAY_API_KEY
      ? { gateway: { url: given.GATEWAY_URL, apiKey: given.GATEWAY_API_KEY } }
      : {}),
    nodes: given.NODES,
    security: securityOf(given),
    dataDir: given.DATA_DIR,
    logLevel: given.LOG_LEVEL,
    metrics: metricsTarget(given, METRICS_PORT),
    shown: shownSettings(given, secrets),
  }
}

/** For a bot that runs as a process of its own, and so needs to be told where the others are. Throws `SettingsError`. */
export function readLoneBotConfig(env: NodeJS.ProcessEnv): BotConfig {
  const config = readBotConfig(env)
  const problems = [
    ...(config ? [] : ['TELEGRAM_BOT_TOKEN: must be set, or there is no bot to run']),
    ...(config && !config.gateway ? ['GATEWAY_URL, GATEWAY_API_KEY: must both be set'] : []),
    ...(config && config.nodes.length === 0 ? ['NODES: must name the session nodes, as host:port'] : []),
  ]
  if (!config || problems.length > 0) {
    throw new SettingsError(`These settings cannot be used:\n${problems.map((problem) => `  ${problem}`).join('\n')}`)
  }
  return config
}

/** Stable over restarts and unknown to anyone without the token. */
function derivedSecret(token: string): string {
  return createHmac('sha256', token).update('switchboard telegram webhook').digest('hex')
}
