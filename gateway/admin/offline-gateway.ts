/** The part of a gateway that tenants and keys need, on the same database, for this process alone: where none runs. */
import { randomBytes } from 'node:crypto'
import { AuditLog } from '../audit/audit-log.js'
import { AuditRepository } from '../audit/audit-repository.js'
import type { GatewayConfig } from '../config.js'
import { Database } from '../db/database.js'
import { createHttpServer } from '../http/http-server.js'
import { IdempotencyKeyRepository } from '../idempotency/idempotency-key-repository.js'
import { IdempotencyKeys } from '../idempotency/idempotency-keys.js'
import { KeyedRequests } from '../idempotency/keyed-requests.js'
import { AppError } from '../../runtime/app-error.js'
import { systemClock } from '../../runtime/clock.js'
import { inOrder, type Service } from '../../runtime/lifecycle.js'
import type { Logger } from '../../runtime/log.js'
import { SessionRepository } from '../sessions/session-repository.js'
import { tables } from '../tables.js'
import type { ApiKey } from '../tenants/api-key.js'
import { ApiKeyRepository, noOldText } from '../tenants/api-key-repository.js'
import { apiKeyRoutes } from '../tenants/api-key-routes.js'
import { ApiKeys } from '../tenants/api-keys.js'
import { KeyAdministration } from '../tenants/key-administration.js'
import { Secrets } from '../tenants/secrets.js'
import { DEFAULT_TENANT } from '../tenants/tenant.js'
import { TenantBelongings } from '../tenants/tenant-belongings.js'
import { TenantRemoval } from '../tenants/tenant-removal.js'
import { TenantRepository } from '../tenants/tenant-repository.js'
import { tenantRoutes } from '../tenants/tenant-routes.js'
import { Tenants } from '../tenants/tenants.js'
import type { Access } from './admin-api.js'

export interface OfflineGateway extends Service {
  /** Once started. */
  access(): Access
}

export function createOfflineGateway(config: GatewayConfig, log: Logger): OfflineGateway {
  const clock = systemClock
  const db = new Database({ target: config.database, tables, log, startWaitMs: 0 })
  const secrets = new Secrets({ secretKey: config.secretKey, dataDir: config.dataDir })
  const keyRepository = new ApiKeyRepository(db)
  const keys = new ApiKeys({ db, repository: keyRepository, pepper: () => secrets.key('api-keys'), clock, log })
  const tenantRepository = new TenantRepository(db)
  const tenants = new Tenants({ db, repository: tenantRepository, clock, log })
  const sessions = new SessionRepository(db)
  const idempotency = new IdempotencyKeys({
    ...{ db, clock, log },
    repository: new IdempotencyKeyRepository(db, () => secrets.key('idempotency')),
  })
  const administration = new KeyAdministration({
    ...{ db, keys, tenants, tenantRepository, clock, log },
    repository: keyRepository,
    findSession: async (tenantId, ref) => {
      const session = await sessions.findLive(tenantId, ref)
      if (session) return session
      throw new AppError('not_found', `There is no session ${ref}.`, { reason: 'session_not_found' })
    },
  })
  // Only begun here: the gateways finish it.
  const removal = new TenantRemoval({
    ...{ db, tenants, keys, keyRepository, clock, log },
    repository: tenantRepository,
    belongings: new TenantBelongings(db, tables),
    sessions: { existing: notHere, remove: notHere, clear: notHere },
    endWebhooks: notHere,
    removeFiles: notHere,
  })
  const text = randomBytes(32).toString('base64url')
  const keyed = new KeyedRequests(idempotency)
  const audit = new AuditLog({ repository: new AuditRepository(db), clock, log })
  const http = createHttpServer({
    ...{ host: '127.0.0.1', port: 0, trustProxy: 0, https: false, log },
    keys: {
      admit: (credential) => {
        if (credential.text === text) return Promise.resolve({ key: ownKey, tenantId: DEFAULT_TENANT })
        return Promise.reject(new AppError('unauthenticated', 'This is for one process only.'))
      },
    },
    audit: audit.around,
    open: [],
    api: [
      tenantRoutes({ tenants, removal, keyed, keys: idempotency }),
      apiKeyRoutes({ administration, tenants, keyed, keys: idempotency, clock }),
    ],
  })
  const parts = inOrder(db, secrets, http)
  return { start: parts.start, stop: parts.stop, access: () => ({ url: http.url(), key: text }) }
}

/** What stands for whoever is at the shell, and is in no database. */
const ownKey: ApiKey = {
  ...{
    id: 'key_00000000000000000000000000',
    tenantId: DEFAULT_TENANT,
    name: 'shell',
    lookup: '',
    hash: '',
    ...noOldText,
  },
  ...{ scopes: ['admin'], sessions: ['*'], cidrs: [], requestsPerMinute: null },
  ...{ expiresAt: null, lastUsedAt: null, revokedAt: null, createdAt: new Date(0) },
}

function notHere(): never {
  throw new Error('Sessions, webhooks and files are removed by a gateway')
}
