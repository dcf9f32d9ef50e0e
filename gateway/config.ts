import { join, resolve } from 'node:path'
import ipaddr from 'ipaddr.js'
import { z } from 'zod'
import { type ClusterSecurity, securityOf, securitySettings } from '../proto/security.js'
import type { LogLevel } from '../runtime/log.js'
import { metricsPort, type MetricsTarget, metricsTarget } from '../runtime/metrics-server.js'
import { flag, list, loadEnvFile, port, readSettings, SettingsError, shownSettings } from '../runtime/settings.js'
import { type DatabaseTarget, parseDatabaseUrl } from './db/database-url.js'
import type { S3Settings } from './media/s3-media-store.js'
import { s3Of, s3Settings } from './media/s3-settings.js'
import type { RetentionConfig } from './retention/retention.js'
import { parseSchedule, type Schedule } from './webhooks/schedule.js'

export interface GatewayConfig {
  dataDir: string
  database: DatabaseTarget
  host: string
  port: number
  /** Where the process tells its metrics; nowhere unless given. */
  metrics?: MetricsTarget | undefined
  /** How others reach the gateway, for links; where it listens unless set. */
  publicUrl?: string | undefined
  /** How many proxies stand in front of it. */
  trustProxy: number
  /** Where several gateways count requests together. */
  redisUrl?: string | undefined
  /** So many keys may be wrong from one address; 0, or nothing, is any number. */
  authFailuresPerMinute?: number | undefined
  secretKey?: string | undefined
  adminApiKey?: string | undefined
  /** `host:port` or `dns:///name:port` of the session nodes. */
  nodes: string[]
  security: ClusterSecurity
  webhookAllowCidrs: string[]
  /** How long what is over is kept, in ms; 30, 365 and 30 days unless set. */
  retention?: Partial<RetentionConfig> | undefined
  /** ms before each attempt of a delivery; the ten of the documentation unless set. */
  deliverySchedule?: Schedule | undefined
  /** How long deliveries are kept once they are over; 7 and 30 days unless set. */
  deliveryRetention?: { succeededMs: number; exhaustedMs: number } | undefined
  /** Where files are kept; in `dataDir` unless set. */
  s3?: S3Settings | undefined
  /** How long a URL of a file in an event is good. */
  mediaUrlMs: number
  logLevel: LogLevel
  /** For the log line at start: secrets as `set` or `unset`. */
  shown: Record<string, unknown>
}

const publicUrl = z
  .url({ protocol: /^https?$/, error: 'must be an http or https URL' })
  .transform((url) => url.replace(/\/+$/, ''))

/** `true` is one. */
const proxies = z.union([z.coerce.number().int().min(0).max(10), flag.transform(Number)], {
  error: 'must be true, false, or how many proxies stand in front',
})
const redisUrl = z.url({ protocol: /^rediss?$/, error: 'must be a redis or rediss URL' })

const days = z.coerce.number().min(0.01, 'must be at least 0.01').max(3_650, 'must be at most 3650')
const DAY_MS = 86_400_000

const schedule = z.string().transform((text, context): Schedule => {
  try {
    return parseSchedule(text)
  } catch (error) {
    context.addIssue({ code: 'custom', message: error instanceof Error ? error.message : String(error) })
    return z.NEVER
  }
})

const settings = {
  DATA_DIR: z.string().default('./data'),
  DATABASE_URL: z.string().optional(),
  HOST: z.string().default('127.0.0.1'),
  PORT: port.default(3000),
  METRICS_HOST: z.string().default('127.0.0.1'),
  METRICS_PORT: metricsPort,
  PUBLIC_URL: publicUrl.optional(),
  TRUST_PROXY: proxies.default(0),
  REDIS_URL: redisUrl.optional(),
  AUTH_FAILURES_PER_MINUTE: z.coerce.number().int().min(0).max(1_000_000).default(30),
  SECRET_KEY: z.string().min(32, 'must have at least 32 characters: openssl rand -hex 32 makes one').optional(),
  ADMIN_API_KEY: z
    .string()
    .min(24, 'must have at least 24 characters')
    .max(256)
    .regex(/^[\x21-\x7e]+$/, 'must be visible ASCII without blanks')
    .optional(),
  NODES: list.default([]),
  ...securitySettings,
  WEBHOOK_ALLOW_CIDRS: list
    .refine((ranges) => ranges.every((range) => ipaddr.isValidCIDR(range)), 'must be ranges such as 10.0.0.0/8')
    .default([]),
  MEDIA_URL_HOURS: z.coerce.number().int().min(1).max(720).default(24),
  ...s3Settings,
  DELIVERY_SCHEDULE: schedule.optional(),
  RETENTION_EVENTS_DAYS: days.default(30),
  RETENTION_MESSAGES_DAYS: days.default(365),
  RETENTION_MEDIA_DAYS: days.default(30),
  RETENTION_AUDIT_DAYS: days.default(365),
  RETENTION_USAGE_DAYS: days.default(1_095),
  RETENTION_DELIVERIES_SUCCEEDED_DAYS: days.default(7),
  RETENTION_DELIVERIES_EXHAUSTED_DAYS: days.default(30),
  LOG_LEVEL: z.enum(['trace', 'debug', 'info', 'warn', 'error', 'fatal']).default('info'),
}

/** Of the gateway, and of everything in one process. */
const METRICS_PORT = 9464
const secrets = ['SECRET_KEY', 'ADMIN_API_KEY', 'CLUSTER_TOKEN', 'S3_SECRET_ACCESS_KEY']

/** Throws SettingsError; its message names every variable that cannot be used. */
export function readGatewayConfig(env: NodeJS.ProcessEnv = process.env): GatewayConfig {
  const given = readSettings(settings, env)
  const problems: string[] = []
  const attempt = <Value>(name: string, read: () => Value): Value | undefined => {
    try {
      return read()
    } catch (error) {
      problems.push(`  ${name}: ${error instanceof Error ? error.message : String(error)}`)
      return undefined
    }
  }
  const dataDir = resolve(given.DATA_DIR)
  const url = given.DATABASE_URL
  const ownFile = url === undefined || url === 'sqlite:'
  const database = attempt('DATABASE_URL', () =>
    parseDatabaseUrl(ownFile ? `sqlite:${join(dataDir, 'switchboard.sqlite')}` : url),
  )
  const security = attempt('GRPC_TLS_CA', () => securityOf(given))
  const s3 = attempt('S3_BUCKET', () => s3Of(given))
  if (database?.kind === 'mysql' && given.SECRET_KEY === undefined) {
    problems.push(
      '  SECRET_KEY: is required with MySQL, and the same on every gateway (openssl rand -hex 32 makes one)',
    )
  }
  if (!database || !security || problems.length > 0) {
    throw new SettingsError(`These settings cannot be used:\n${problems.join('\n')}`)
  }
  return {
    dataDir,
    database,
    host: given.HOST,
    port: given.PORT,
    metrics: metricsTarget(given, METRICS_PORT),
    publicUrl: given.PUBLIC_URL,
    trustProxy: given.TRUST_PROXY,
    redisUrl: given.REDIS_URL,
    authFailuresPerMinute: given.AUTH_FAILURES_PER_MINUTE,
    secretKey: given.SECRET_KEY,
    adminApiKey: given.ADMIN_API_KEY,
    nodes: given.NODES,
    security,
    webhookAllowCidrs: given.WEBHOOK_ALLOW_CIDRS,
    deliverySchedule: given.DELIVERY_SCHEDULE,
    retention: {
      events: given.RETENTION_EVENTS_DAYS * DAY_MS,
      messages: given.RETENTION_MESSAGES_DAYS * DAY_MS,
      media: given.RETENTION_MEDIA_DAYS * DAY_MS,
      audit: given.RETENTION_AUDIT_DAYS * DAY_MS,
      usage: given.RETENTION_USAGE_DAYS * DAY_MS,
    },
    deliveryRetention: {
      succeededMs: given.RETENTION_DELIVERIES_SUCCEEDED_DAYS * DAY_MS,
      exhaustedMs: given.RETENTION_DELIVERIES_EXHAUSTED_DAYS * DAY_MS,
    },
    s3,
    mediaUrlMs: given.MEDIA_URL_HOURS * 3_600_000,
    logLevel: given.LOG_LEVEL,
    shown: {
      ...shownSettings(given, secrets),
      DATABASE_URL: url === undefined ? 'in DATA_DIR' : shownUrl(url),
      REDIS_URL: given.REDIS_URL === undefined ? 'unset' : shownUrl(given.REDIS_URL),
    },
  }
}

/** For a gateway in a process of its own: `.env` is read, and there is no node in the same process. */
export function readLoneGatewayConfig(): GatewayConfig {
  loadEnvFile()
  const config = readGatewayConfig()
  if (config.nodes.length === 0) {
    throw new SettingsError(
      'These settings cannot be used:\n  NODES: is required when the gateway runs alone, such as NODES=127.0.0.1:50051',
    )
  }
  return config
}

function shownUrl(url: string): string {
  if (!URL.canParse(url)) return url
  const shown = new URL(url)
  if (shown.password !== '') shown.password = 'set'
  return shown.href
}
