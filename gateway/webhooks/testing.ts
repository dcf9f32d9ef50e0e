/** Webhooks on a database of their own, stepped by hand on a clock of the test: for tests of this folder. */
import { randomBytes } from 'node:crypto'
import type { SessionId } from '../../proto/contract.js'
import type { Clock } from '../../runtime/clock.js'
import { newId } from '../../runtime/ids.js'
import { silentLog } from '../../runtime/log.js'
import { Metrics } from '../../runtime/metrics.js'
import type { Database } from '../db/database.js'
import { EventPresenter } from '../events/event-presenter.js'
import { EventRepository } from '../events/event-repository.js'
import type { NewEvent, StoredEvent } from '../events/event.js'
import { SealedData } from '../events/sealed-data.js'
import { IdempotencyKeyRepository } from '../idempotency/idempotency-key-repository.js'
import { IdempotencyKeys } from '../idempotency/idempotency-keys.js'
import { KeyedRequests } from '../idempotency/keyed-requests.js'
import type { Caller } from '../messages/messages.js'
import type { Session } from '../sessions/session.js'
import { SessionRepository } from '../sessions/session-repository.js'
import { DEFAULT_TENANT } from '../tenants/tenant.js'
import type { Secrets } from '../tenants/secrets.js'
import { createWebhooks, type WebhookSettings } from './create-webhooks.js'
import { DEFAULT_RETENTION } from './delivery-trimmer.js'
import { DEFAULT_SCHEDULE } from './schedule.js'
import type { Webhook } from './webhook.js'
import type { WebhookFields } from './webhook-requests.js'

export const caller = {
  tenantId: DEFAULT_TENANT,
  key: { id: 'key_test', tenantId: DEFAULT_TENANT, sessions: ['*'], scopes: ['admin'] },
} as unknown as Caller

export interface TestWebhooksOptions {
  db: Database
  clock: Clock
  settings?: Partial<WebhookSettings>
  /** Of another one on the same database. */
  secret?: Buffer
}

export function createTestWebhooks({ db, clock, settings = {}, secret = randomBytes(32) }: TestWebhooksOptions) {
  const log = silentLog()
  const metrics = new Metrics()
  const events = new EventRepository(db, {
    sealing: new SealedData(() => secret),
    onAdded: (tx, stored) => parts.plan(tx, stored),
  })
  const presenter = new EventPresenter({ pendingMedia: () => Promise.resolve(new Map()), mediaUrl: (id) => id })
  const sessionRows = new SessionRepository(db)
  const keys = new IdempotencyKeys({ db, repository: new IdempotencyKeyRepository(db, () => secret), clock, log })
  const parts = createWebhooks({
    ...{ db, presenter, keys, keyed: new KeyedRequests(keys), metrics, clock, time: clock, log },
    secrets: { key: () => secret } as unknown as Secrets,
    settings: {
      ...{ allowCidrs: ['127.0.0.0/8'], schedule: DEFAULT_SCHEDULE, retention: DEFAULT_RETENTION },
      ...settings,
    },
    events: () => events,
    pendingMedia: () => Promise.resolve(new Map()),
    makeRoom: () => Promise.resolve(),
    sessions: { get: async (_, id) => (await sessionRows.find(id as SessionId)) as Session },
    random: () => 0,
  })

  /** Events of these sessions, in turn. */
  async function happen(sessions: readonly SessionId[], count = 1): Promise<StoredEvent[]> {
    const now = clock()
    const made = Array.from(
      { length: count },
      (_, index): NewEvent =>
        ({
          ...{ id: newId('evt'), tenantId: DEFAULT_TENANT, at: now, type: 'message.edited' },
          sessionId: sessions[index % sessions.length] as SessionId,
          data: { waMessageId: 'A', chatId: '49170@c.us', body: `words ${index}` },
        }) as NewEvent,
    )
    return db.write((tx) => events.add(tx, made, now))
  }

  return {
    ...parts,
    metrics,
    secret,
    events,
    make: (fields: WebhookFields): Promise<Webhook> => parts.webhooks.create(caller, fields),
    happen,
    async session(name: string): Promise<SessionId> {
      const session = aSession(name)
      await sessionRows.add(session)
      return session.id
    },
    /** Everything that is due now, and what becomes due by it. */
    async deliver(): Promise<void> {
      await parts.deliverer.deliverDue()
      await parts.deliverer.settled()
    },
  }
}

function aSession(name: string): Session {
  const at = new Date(0)
  return {
    ...{ id: newId('ses'), tenantId: DEFAULT_TENANT, name, engine: 'sandbox', nodeId: 'nod_a', wanted: 'running' },
    ...{ status: 'connected', reason: null, detail: null, phone: '4915100', lid: null, pushName: null },
    ...{ pacing: { gapMs: 0, jitterMs: 0, messagesPerDay: 0 }, sandbox: null, metadata: null },
    ...{ sequence: 0, changedAt: at, connectedAt: at, createdAt: at, deletedAt: null },
  } as unknown as Session
}
