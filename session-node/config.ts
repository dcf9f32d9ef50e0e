import { resolve } from 'node:path'
import { z } from 'zod'
import type { NodeId } from '../proto/contract.js'
import { type ClusterSecurity, securityOf, securitySettings } from '../proto/security.js'
import type { LogLevel } from '../runtime/log.js'
import { metricsPort, type MetricsTarget, metricsTarget } from '../runtime/metrics-server.js'
import { flag, loadEnvFile, readSettings, shownSettings } from '../runtime/settings.js'
import { capacityOf } from './memory.js'
import type { Timing } from './sessions/timing.js'
import type { BrowserSettings } from './whatsapp/wwebjs/chromium.js'

export interface SessionNodeConfig {
  dataDir: string
  /** `host:port`, port 0 for any free one, or `unix:/path`. */
  listen: string
  nodeId?: NodeId | undefined
  /** Real sessions at once. */
  capacity: number
  /** Of the event log; 1 GiB unless given. */
  eventLogMaxBytes?: number
  /** How long the journal remembers what is over; 30 days unless given. */
  journalRetentionMs?: number
  security: ClusterSecurity
  browser: BrowserSettings
  timing?: Partial<Timing>
}

/** Not the gateway's, which may run on the same machine. */
const METRICS_PORT = 9465
const isRoot = process.getuid?.() === 0

const settings = {
  DATA_DIR: z.string().default('./data'),
  NODE_LISTEN: z
    .string()
    .regex(/^(unix:.+|.+:\d{1,5})$/, 'must be host:port or unix:/path')
    .default('127.0.0.1:50051'),
  NODE_ID: z
    .string()
    .regex(/^nod_[0-9a-z_-]{1,32}$/, 'must be nod_ and up to 32 of a-z, 0-9, - and _')
    .optional(),
  METRICS_HOST: z.string().default('127.0.0.1'),
  METRICS_PORT: metricsPort,
  NODE_CAPACITY: z.coerce.number().int().min(0).max(10_000).optional(),
  SESSION_MEMORY_MIB: z.coerce.number().int().min(50).max(16_384).default(300),
  EVENT_LOG_MAX_MIB: z.coerce.number().int().min(16).max(1_048_576).default(1_024),
  RETENTION_JOURNAL_DAYS: z.coerce.number().min(8, 'must be at least 8').max(3_650).default(30),
  CHROMIUM_PATH: z.string().optional(),
  CHROMIUM_ARGS: z
    .string()
    .default('')
    .transform((text) => text.split(/\s+/).filter((flagText) => flagText !== '')),
  CHROMIUM_HEADLESS: z.enum(['new', 'shell']).default('new'),
  // Chromium refuses to run as root with its sandbox.
  CHROMIUM_NO_SANDBOX: flag.default(isRoot),
  LOG_LEVEL: z.enum(['trace', 'debug', 'info', 'warn', 'error', 'fatal']).default('info'),
  ...securitySettings,
}

/** What a process of its own reads besides. */
export interface SessionNodeSettings extends SessionNodeConfig {
  logLevel: LogLevel
  /** Where it tells its metrics; nowhere unless given. */
  metrics: MetricsTarget | undefined
  /** For the log line at start: secrets as `set` or `unset`. */
  shown: Record<string, unknown>
}

/** Throws SettingsError; its message names every variable that cannot be used. */
export function readSessionNodeConfig(env: NodeJS.ProcessEnv = process.env): SessionNodeSettings {
  const given = readSettings(settings, env)
  const capacity = given.NODE_CAPACITY ?? capacityOf(given.SESSION_MEMORY_MIB)
  return {
    dataDir: resolve(given.DATA_DIR),
    listen: given.NODE_LISTEN,
    nodeId: given.NODE_ID as NodeId | undefined,
    capacity,
    journalRetentionMs: given.RETENTION_JOURNAL_DAYS * 86_400_000,
    eventLogMaxBytes: given.EVENT_LOG_MAX_MIB * 2 ** 20,
    security: securityOf(given),
    browser: {
      chromiumPath: given.CHROMIUM_PATH,
      chromiumArgs: given.CHROMIUM_ARGS,
      headless: given.CHROMIUM_HEADLESS,
      noSandbox: given.CHROMIUM_NO_SANDBOX,
      environment: withoutSecrets(env),
    },
    logLevel: given.LOG_LEVEL,
    metrics: metricsTarget(given, METRICS_PORT),
    shown: shownSettings({ ...given, NODE_CAPACITY: capacity }, ['CLUSTER_TOKEN']),
  }
}

/** Browsers show the pages of others: they need a PATH and a locale, and none of our keys. */
function withoutSecrets(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(env).filter(([name]) => !/TOKEN|SECRET|KEY|PASSWORD|_URL$|^S3_/.test(name)))
}

/** For a node in a process of its own: `.env` is read. */
export function readLoneSessionNodeConfig(): SessionNodeSettings {
  loadEnvFile()
  return readSessionNodeConfig()
}
