/** Webhooks as the API sees them: made, changed, tested, deleted. */
import { setMaxListeners } from 'node:events'
import type { SessionId, TenantId } from '../../proto/contract.js'
import { AppError } from '../../runtime/app-error.js'
import type { Clock } from '../../runtime/clock.js'
import { defined } from '../../runtime/defined.js'
import { isId, newId } from '../../runtime/ids.js'
import type { Database, Tx } from '../db/database.js'
import type { GuardedClient } from '../http/guarded-client.js'
import type { Caller } from '../messages/messages.js'
import type { Session } from '../sessions/session.js'
import type { ApiKey } from '../tenants/api-key.js'
import type { Outcome } from './delivery.js'
import type { DeliveryRepository } from './delivery-repository.js'
import { newSecret } from './signature.js'
import { healthy, OVERLAP_MS, type Webhook } from './webhook.js'
import type { WebhookRepository } from './webhook-repository.js'
import type { WebhookChanges, WebhookFields } from './webhook-requests.js'
import type { WebhookSender } from './webhook-sender.js'

export interface WebhooksOptions {
  db: Database
  repository: WebhookRepository
  deliveries: DeliveryRepository
  sender: WebhookSender
  client: Pick<GuardedClient, 'check'>
  sessions: { get: (tenantId: TenantId, ref: string, key?: ApiKey) => Promise<Session> }
  /** Called in the transaction that makes a webhook, before. Throws `conflict` when the tenant may have no more. */
  makeRoom: (tx: Tx, tenantId: TenantId, count: () => Promise<number>) => Promise<void>
  onChanged: (webhook: Webhook, options?: { reset: boolean }) => void
  clock: Clock
}

const CONCURRENCY = 4
/** The next look finds the others. */
const MOST_AT_ONCE = 500

export class Webhooks {
  private readonly stopping = new AbortController()

  constructor(private readonly options: WebhooksOptions) {
    setMaxListeners(0, this.stopping.signal)
  }

  /** Tests that are under way end now. */
  stop(): void {
    this.stopping.abort()
  }

  /**
   * `also` in the same transaction. Throws `unprocessable` (`blocked_address`, `invalid_url`), `not_found`
   * (`session_not_found`), `forbidden` (`session_not_allowed`) and `conflict` (`webhook_limit_reached`).
   */
  async create(caller: Caller, wanted: WebhookFields, also?: (tx: Tx, webhook: Webhook) => Promise<void>) {
    const { db, repository, makeRoom, clock } = this.options
    const { url, events = ['*'], headers = {}, description = null, signature = 'standard' } = wanted
    const { ordered = false, concurrency = CONCURRENCY } = wanted
    this.checkUrl(url)
    const webhook: Webhook = {
      id: newId('whk'),
      tenantId: caller.tenantId,
      ...{ url, events, headers, description, signature, ordered, concurrency },
      sessions: await this.sessionIds(caller, wanted.sessions ?? caller.key.sessions),
      secret: newSecret(),
      previous: [],
      status: 'enabled',
      reason: null,
      health: healthy,
      createdAt: new Date(clock()),
    }
    await db.write(async (tx) => {
      await makeRoom(tx, caller.tenantId, () => repository.count(tx, caller.tenantId))
      await repository.add(tx, webhook)
      await also?.(tx, webhook)
    })
    return webhook
  }

  /** Throws `not_found`, also for one that tells of sessions that this key is not for. */
  async get({ tenantId, key }: Caller, id: string): Promise<Webhook> {
    const webhook = isId('whk', id) ? await this.options.repository.find(tenantId, id) : null
    if (!webhook || !maySee(key, webhook)) throw notFound()
    return webhook
  }

  async list({ tenantId, key }: Caller, limit: number, after?: string): Promise<Webhook[]> {
    const seen: Webhook[] = []
    for (let from = after; seen.length < limit;) {
      const some = await this.options.repository.list(tenantId, limit, from)
      seen.push(...some.filter((webhook) => maySee(key, webhook)))
      from = some.at(-1)?.id
      if (some.length < limit || from === undefined) break
    }
    return seen.slice(0, limit)
  }

  /** Throws what `create` throws. */
  async change(caller: Caller, id: string, changes: WebhookChanges): Promise<Webhook> {
    const { sessions, status, ...same } = changes
    if (same.url !== undefined) this.checkUrl(same.url)
    const sessionIds = sessions && (await this.sessionIds(caller, sessions))
    const before = await this.get(caller, id)
    if (status === 'enabled' && before.secret === '') {
      throw secretLost()
    }
    // Enabling a webhook that failed begins anew, with a clean record.
    const reset = status === 'enabled' && before.status !== 'enabled'
    const there = defined(same)
    return this.changed(
      caller,
      before,
      (webhook) => ({
        ...webhook,
        ...there,
        ...(sessionIds ? { sessions: sessionIds } : {}),
        ...(status ? { status, reason: null } : {}),
        ...(reset ? { health: healthy } : {}),
      }),
      { reset },
    )
  }

  /** A new secret; the old one signs beside it for a day. */
  async rotate(caller: Caller, id: string, also?: (tx: Tx, webhook: Webhook) => Promise<void>): Promise<Webhook> {
    const until = this.options.clock() + OVERLAP_MS
    const now = this.options.clock()
    const rotated = (webhook: Webhook): Webhook => ({
      ...webhook,
      secret: newSecret(),
      previous: [{ secret: webhook.secret, until }, ...webhook.previous]
        .filter((old) => old.secret !== '' && old.until > now)
        .slice(0, 3),
    })
    return this.changed(caller, await this.get(caller, id), rotated, { also })
  }

  /** Nothing is sent from now on; what is kept of it goes bit by bit. */
  async delete(caller: Caller, id: string): Promise<void> {
    await this.changed(caller, await this.get(caller, id), (webhook) => ({ ...webhook, status: 'deleted' }))
  }

  /** Nothing is sent any more for this tenant. */
  async deleteAll(tenantId: TenantId): Promise<void> {
    const { db, repository, onChanged } = this.options
    for (const { id } of await repository.list(tenantId, MOST_AT_ONCE)) {
      const deleted = await db.write((tx) =>
        repository.change(tx, tenantId, id, (webhook) => ({ ...webhook, status: 'deleted' })),
      )
      if (deleted) onChanged(deleted)
    }
  }

  /** A signed request right now, whatever the webhook's status; nothing is stored of it. */
  async test(caller: Caller, id: string): Promise<{ event: string; outcome: Outcome }> {
    const { sender, clock } = this.options
    const webhook = await this.get(caller, id)
    if (webhook.secret === '') throw secretLost()
    const event = newId('evt')
    const { description } = webhook
    const body = {
      id: event,
      type: 'webhook.test',
      timestamp: new Date(clock()).toISOString(),
      data: {
        webhook: { id: webhook.id, ...(description ? { description } : {}), host: new URL(webhook.url).host },
      },
      apiVersion: 'v1',
    }
    const posted = { bytes: Buffer.from(JSON.stringify(body)), traceId: caller.traceId }
    const outcome = await sender.post(webhook, event, posted, this.stopping.signal)
    if (!outcome) throw new AppError('unavailable', 'The gateway is stopping. Ask again.', { retryAfterMs: 2_000 })
    return { event, outcome }
  }

  private async changed(
    { tenantId }: Caller,
    { id }: Webhook,
    decide: (webhook: Webhook) => Webhook,
    { also, reset = false }: { also?: ((tx: Tx, webhook: Webhook) => Promise<void>) | undefined; reset?: boolean } = {},
  ): Promise<Webhook> {
    const { db, repository, onChanged } = this.options
    const next = await db.write(async (tx) => {
      const webhook = await repository.change(tx, tenantId, id, decide)
      if (webhook) await also?.(tx, webhook)
      return webhook
    })
    if (!next) throw notFound()
    onChanged(next, { reset })
    return next
  }

  private checkUrl(url: string): void {
    try {
      this.options.client.check(url)
    } catch (error) {
      if (!(error instanceof AppError)) throw error
      throw new AppError('unprocessable', `url: ${error.message}`, { reason: error.reason, cause: error })
    }
  }

  /** Ids of sessions by id or name. A key for some sessions makes webhooks for some of these. */
  private async sessionIds({ tenantId, key }: Caller, refs: readonly string[]): Promise<string[]> {
    if (refs.includes('*')) {
      if (key.sessions.includes('*')) return ['*']
      throw new AppError('forbidden', 'This API key is for some sessions only: name them.', {
        reason: 'session_not_allowed',
      })
    }
    const found = await Promise.all(refs.map((ref) => this.options.sessions.get(tenantId, ref, key)))
    return [...new Set(found.map(({ id }): SessionId => id))]
  }
}

function maySee(key: ApiKey, { sessions }: Webhook): boolean {
  return key.sessions.includes('*') || sessions.every((id) => key.sessions.includes(id))
}

/** Throws `not_ready` (`webhook_disabled`). */
export function checkEnabled({ status }: Webhook): void {
  if (status !== 'disabled') return
  throw new AppError('not_ready', 'This webhook is disabled. Enable it first.', { reason: 'webhook_disabled' })
}

function notFound(): AppError {
  return new AppError('not_found', 'There is no such webhook.', { reason: 'webhook_not_found' })
}

function secretLost(): AppError {
  return new AppError(
    'not_ready',
    'The secret of this webhook is lost, because SECRET_KEY is another one. Rotate it.',
    {
      reason: 'secret_lost',
    },
  )
}
