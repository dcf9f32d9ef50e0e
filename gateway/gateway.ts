import { NodeDirectory } from '../proto/node-directory.js'
import { type Clock, systemClock } from '../runtime/clock.js'
import { inOrder, type Service } from '../runtime/lifecycle.js'
import type { Logger } from '../runtime/log.js'
import { Metrics } from '../runtime/metrics.js'
import type { GatewayConfig } from './config.js'
import { Database } from './db/database.js'
import { SharedTime } from './db/shared-time.js'
import { AuditLog } from './audit/audit-log.js'
import { AuditRepository } from './audit/audit-repository.js'
import { auditRoutes } from './audit/audit-routes.js'
import { addDatabaseMetrics, databaseRetries } from './db/database-metrics.js'
import { healthRoutes } from './health/health-routes.js'
import { httpMetrics } from './http/http-metrics.js'
import { createHttpServer, type RegisteredRoute } from './http/http-server.js'
import { IdempotencyKeyRepository } from './idempotency/idempotency-key-repository.js'
import { IdempotencyKeys } from './idempotency/idempotency-keys.js'
import { KeyTrimmer } from './idempotency/key-trimmer.js'
import { KeyedRequests } from './idempotency/keyed-requests.js'
import { createLimits } from './limits/create-limits.js'
import { createMessaging, type Messaging } from './messaging.js'
import { linkRoutes } from './sessions/link-routes.js'
import { LinkTokens } from './sessions/link-tokens.js'
import { QrImages } from './sessions/qr-image.js'
import { openApiRoutes } from './openapi/openapi-routes.js'
import { qrRoutes } from './sessions/qr-routes.js'
import { sandboxRoutes } from './sessions/sandbox-routes.js'
import { SessionCountsRepository } from './sessions/session-counts-repository.js'
import { SessionEvents } from './sessions/session-events.js'
import { SessionLive } from './sessions/session-live.js'
import { addSessionMetrics } from './sessions/session-metrics.js'
import { SessionNode } from './sessions/session-node.js'
import { SessionQuestions } from './sessions/session-questions.js'
import { SessionReconciler } from './sessions/session-reconciler.js'
import { SessionRepository } from './sessions/session-repository.js'
import { sessionRoutes } from './sessions/session-routes.js'
import { Sessions } from './sessions/sessions.js'
import { shortSessionRoutes } from './sessions/short-session-routes.js'
import { tables } from './tables.js'
import { AdminKey } from './tenants/admin-key.js'
import { Admission } from './tenants/admission.js'
import { ApiKeyRepository } from './tenants/api-key-repository.js'
import { apiKeyRoutes } from './tenants/api-key-routes.js'
import { ApiKeys, type NewApiKey } from './tenants/api-keys.js'
import { KeyAdministration } from './tenants/key-administration.js'
import { Secrets } from './tenants/secrets.js'
import { DEFAULT_TENANT } from './tenants/tenant.js'
import { TenantBelongings } from './tenants/tenant-belongings.js'
import { TenantRemoval } from './tenants/tenant-removal.js'
import { TenantRepository } from './tenants/tenant-repository.js'
import { tenantRoutes } from './tenants/tenant-routes.js'
import { Tenants } from './tenants/tenants.js'
import { DEFAULT_RETENTION } from './webhooks/delivery-trimmer.js'
import { DEFAULT_SCHEDULE } from './webhooks/schedule.js'

/** What a test, or the process around it, replaces. */
export interface Outside {
  log: Logger
  clock?: Clock
  /** Where it counts; told by whoever made it. */
  metrics?: Metrics
  /** Addresses of the nodes, asked each time they are looked for; NODES unless given. */
  nodes?: () => string[]
  /** How often nodes are asked who they are, and told what they missed. */
  everyMs?: number
}

export interface Gateway extends Service {
  /** How others reach it, once started. */
  url(): string
  /** Where it listens, once started. */
  localUrl(): string
  /** What is registered, as the router writes it. */
  routes(): readonly RegisteredRoute[]
  /** The admin key, where this gateway knows it; `isNew` when it was made at this start. */
  adminApiKey(): { text: string; isNew: boolean } | undefined
  /** A key, of the tenant `default` unless given; its text is known only now. */
  issueKey(wanted: Omit<NewApiKey, 'tenantId'> & Partial<Pick<NewApiKey, 'tenantId'>>): Promise<string>
  db: Database
  tenants: Tenants
  /** One round of removing what is old enough. */
  trimOnce: Messaging['retention']['trimOnce']
  /** Counts days that are over once more. */
  recountUsage: Messaging['usage']['recount']['recountDue']
}

export function createGateway(config: GatewayConfig, outside: Outside): Gateway {
  const { log, clock = systemClock, metrics = new Metrics() } = outside
  const { dataDir, security } = config

  const db = new Database({ target: config.database, tables, log, onRetry: databaseRetries(metrics) })
  const time = new SharedTime(db, outside.clock)
  addDatabaseMetrics(metrics, db)
  const secrets = new Secrets({ secretKey: config.secretKey, dataDir })
  const keyRepository = new ApiKeyRepository(db)
  const keys = new ApiKeys({ db, repository: keyRepository, pepper: () => secrets.key('api-keys'), clock, log })
  const tenantRepository = new TenantRepository(db)
  const tenants = new Tenants({ db, repository: tenantRepository, clock, log })
  const { redisUrl, authFailuresPerMinute } = config
  const limits = createLimits({
    ...{ redisUrl, authFailuresPerMinute, tenants, metrics, log },
    admission: new Admission(keys, tenants),
  })
  const adminKey = new AdminKey({ db, repository: keyRepository, keys, given: config.adminApiKey, dataDir, log })

  const directory = new NodeDirectory({
    get targets() {
      return outside.nodes?.() ?? config.nodes
    },
    security,
    log,
    ...(outside.everyMs === undefined ? {} : { pollMs: outside.everyMs }),
  })
  const idempotencyRepository = new IdempotencyKeyRepository(db, () => secrets.key('idempotency'))
  const idempotencyKeys = new IdempotencyKeys({ db, repository: idempotencyRepository, clock: time.now, log })
  const trimmer = new KeyTrimmer({ db, repository: idempotencyRepository, clock: time.now, log })
  const keyed = new KeyedRequests(idempotencyKeys)
  const sessionRepository = new SessionRepository(db)
  const sessionNode = new SessionNode(directory)
  const messaging = createMessaging({
    ...{ limits, tenants },
    ...{ db, directory, secrets, dataDir, metrics, clock, time: time.now, log },
    sessionEvents: new SessionEvents(sessionRepository),
    keys: idempotencyKeys,
    keyed,
    sessions: () => sessions,
    retention: config.retention,
    s3: config.s3,
    strays: (...args) => reconciler.strays(...args),
    webhooks: {
      allowCidrs: config.webhookAllowCidrs,
      schedule: config.deliverySchedule ?? DEFAULT_SCHEDULE,
      retention: config.deliveryRetention ?? DEFAULT_RETENTION,
    },
    mediaUrlMs: config.mediaUrlMs,
    publicUrl: () => publicUrl(),
  })
  const sessions = new Sessions({
    ...{ db, directory, clock, time: time.now, log },
    presence: messaging.presence,
    repository: sessionRepository,
    node: sessionNode,
    makeRoom: (tx, tenantId, count) => tenants.makeRoom(tx, tenantId, 'sessions', count),
    onCreated: messaging.onSessionCreated,
    onDeleting: messaging.onSessionDeleting,
    onDeleted: messaging.onSessionDeleted,
  })
  const questions = new SessionQuestions(sessionNode, sessionRepository)
  const reconciler = new SessionReconciler({
    directory,
    repository: sessionRepository,
    sessions,
    node: sessionNode,
    log,
    ...(outside.everyMs === undefined ? {} : { roundMs: outside.everyMs }),
  })
  const administration = new KeyAdministration({
    ...{ db, keys, tenants, tenantRepository, clock, log },
    repository: keyRepository,
    findSession: (tenantId, ref) => sessions.get(tenantId, ref),
  })
  const removal = new TenantRemoval({
    ...{ db, tenants, keys, keyRepository, clock, log },
    repository: tenantRepository,
    belongings: new TenantBelongings(db, tables, ['audit']),
    sessions: {
      existing: (tenantId) => sessions.existing(tenantId),
      remove: (session) => sessions.delete(session),
      clear: (tenantId) => reconciler.clear(tenantId),
    },
    endWebhooks: messaging.endWebhooks,
    removeFiles: messaging.removeFiles,
    ...(outside.everyMs === undefined ? {} : { roundMs: outside.everyMs }),
  })
  addSessionMetrics({
    metrics,
    counts: new SessionCountsRepository(db),
    isNodeSilent: (nodeId) => sessions.isSilent(nodeId),
  })
  const live = new SessionLive(sessionNode, clock, log)
  const audit = new AuditLog({ repository: new AuditRepository(db), clock, log })
  const images = new QrImages()
  const links = new LinkTokens(() => secrets.key('links'), clock)

  const publicUrl = () => config.publicUrl ?? http.url()
  const http = createHttpServer({
    host: config.host,
    port: config.port,
    trustProxy: config.trustProxy,
    https: config.publicUrl?.startsWith('https:') ?? false,
    log,
    onEnded: httpMetrics(metrics),
    keys: limits.admission,
    audit: audit.around,
    keyless: messaging.keyless,
    open: [
      ...messaging.open,
      healthRoutes({ db, directory }),
      linkRoutes({ sessions, live, images, links, clock }),
      openApiRoutes({ publicUrl }),
    ],
    api: [
      // Before the others: `init` and `status` stand where a session's name could.
      shortSessionRoutes({ sessions, live, images, keyed }),
      sessionRoutes({ sessions, questions, links, publicUrl, keyed, keys: idempotencyKeys }),
      qrRoutes({ sessions, live, images }),
      auditRoutes({ audit }),
      sandboxRoutes({ sessions, node: sessionNode, keyed, keys: idempotencyKeys }),
      tenantRoutes({ tenants, removal, keyed, keys: idempotencyKeys }),
      apiKeyRoutes({ administration, tenants, keyed, keys: idempotencyKeys, clock }),
      ...messaging.routes,
    ],
  })

  // Started from left to right, stopped from right to left: callers go first, storage last.
  const parts = inOrder(
    db,
    time,
    limits,
    secrets,
    keys,
    adminKey,
    trimmer,
    directory,
    messaging,
    reconciler,
    removal,
    http,
  )

  return {
    start: () => parts.start(),
    stop: () => parts.stop(),
    url: publicUrl,
    localUrl: http.url,
    routes: http.routes,
    adminApiKey: () => (adminKey.text === undefined ? undefined : { text: adminKey.text, isNew: adminKey.isNew }),
    issueKey: async (wanted) => (await keys.issue({ tenantId: DEFAULT_TENANT, ...wanted })).text,
    db,
    tenants,
    trimOnce: (now) => messaging.retention.trimOnce(now),
    recountUsage: (now) => messaging.usage.recount.recountDue(now),
  }
}
