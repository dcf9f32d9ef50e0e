/**
 * Delivers what is due. Each webhook is delivered to by one gateway at a time, which holds it on a lease: so bounds and
 * order hold over all gateways, and a delivery costs one write, not two.
 */
import { setMaxListeners } from 'node:events'
import type { Clock } from '../../runtime/clock.js'
import { newId } from '../../runtime/ids.js'
import type { Service } from '../../runtime/lifecycle.js'
import { Rounds } from '../../runtime/rounds.js'
import type { Database } from '../db/database.js'
import type { DeliveryRepository } from './delivery-repository.js'
import { Lane, type LaneParts } from './lane.js'
import type { Webhook, WebhookId } from './webhook.js'
import type { WebhookRepository } from './webhook-repository.js'

export interface DelivererOptions extends LaneParts {
  db: Pick<Database, 'dialect'>
  webhooks: WebhookRepository
  deliveries: DeliveryRepository
  clock: Clock
}

const ROUND_MS = 250
const LEASE_MS = 30_000
const RENEW_MS = 3_000
/** An attempt that has begun ends before the lease does. */
const ATTEMPT_MS = 16_000
const IDLE_MS = 15_000
const STOP_MS = 10_000

export class Deliverer implements Service {
  private readonly holder = newId('gwy')
  private readonly lanes = new Map<WebhookId, Lane>()
  /** Not ours any more; what they have begun is still being finished. */
  private readonly leaving = new Set<Lane>()
  private readonly rounds: Rounds
  private cutting = new AbortController()
  private renewedAt = 0

  constructor(private readonly options: DelivererOptions) {
    this.rounds = new Rounds({
      round: () => this.deliverDue(),
      restMs: ROUND_MS,
      onFailed: (err) => options.log.warn({ err }, 'deliveries.round_failed'),
    })
  }

  start(): Promise<void> {
    this.cutting = new AbortController()
    // One listener for each attempt under way.
    setMaxListeners(0, this.cutting.signal)
    this.renewedAt = performance.now()
    return this.rounds.start()
  }

  /** Attempts in hand are finished, as far as they end soon; the others will be made again. */
  async stop(): Promise<void> {
    const { webhooks, recorder, log } = this.options
    await this.rounds.stop()
    const lanes = [...this.lanes.values(), ...this.leaving]
    for (const lane of lanes) lane.close()
    const cut = setTimeout(() => this.cutting.abort(), STOP_MS)
    await Promise.all(lanes.map((lane) => lane.settled()))
    clearTimeout(cut)
    await recorder.idle()
    await webhooks
      .release([...this.lanes.keys()], this.holder)
      .catch((err: unknown) => log.warn({ err }, 'webhooks.not_released'))
    this.lanes.clear()
  }

  /** Deliveries of these were made. */
  wake(ids: Iterable<WebhookId>): void {
    for (const id of ids) {
      const lane = this.lanes.get(id)
      if (lane) lane.wake()
      else this.rounds.wake()
    }
  }

  /** Somebody has changed it, or what it has to get. */
  changed(webhook: Webhook, { reset = false } = {}): void {
    if (webhook.status === 'deleted') return this.drop(webhook.id)
    const lane = this.lanes.get(webhook.id)
    if (lane) lane.update(webhook, { reset })
    else this.rounds.wake()
  }

  /** One round: everything that is due and that no other gateway delivers. */
  async deliverDue(): Promise<void> {
    const { deliveries, clock } = this.options
    if (performance.now() - this.renewedAt > RENEW_MS) await this.renew()
    const due = await deliveries.webhooksWithDue(clock(), this.holder)
    await this.acquire(due.filter((id) => !this.lanes.has(id)))
    for (const id of due) this.lanes.get(id)?.look()
  }

  /** Resolves once all that was begun is over and written down. */
  async settled(): Promise<void> {
    await Promise.all([...this.lanes.values(), ...this.leaving].map((lane) => lane.settled()))
    await this.options.recorder.idle()
  }

  private async acquire(ids: readonly WebhookId[]): Promise<void> {
    if (ids.length === 0) return
    const asked = performance.now()
    for (const webhook of await this.options.webhooks.acquire(ids, this.holder, LEASE_MS)) {
      if (this.rounds.signal.aborted) return
      this.lanes.set(webhook.id, new Lane(webhook, this.mayUntil(asked), this.options, this.cutting.signal))
    }
  }

  private async renew(): Promise<void> {
    const { webhooks } = this.options
    const asked = (this.renewedAt = performance.now())
    // The only gateway has nobody to give way to.
    if (this.options.db.dialect === 'sqlite') return
    const idle = [...this.lanes].filter(([, lane]) => lane.isIdle && asked - lane.usedAt > IDLE_MS).map(([id]) => id)
    for (const id of idle) this.drop(id)
    await webhooks.release(idle, this.holder)
    const held = await webhooks.renew([...this.lanes.keys()], this.holder, LEASE_MS)
    const still = new Map(held.map((webhook) => [webhook.id, webhook]))
    for (const [id, lane] of this.lanes) {
      const webhook = still.get(id)
      if (!webhook) this.drop(id)
      else {
        lane.extend(this.mayUntil(asked))
        lane.update(webhook)
      }
    }
  }

  private drop(id: WebhookId): void {
    const lane = this.lanes.get(id)
    if (!lane) return
    lane.close()
    this.lanes.delete(id)
    this.leaving.add(lane)
    void lane.settled().finally(() => this.leaving.delete(lane))
  }

  private mayUntil(asked: number): number {
    return this.options.db.dialect === 'sqlite' ? Infinity : asked + LEASE_MS - ATTEMPT_MS
  }
}
