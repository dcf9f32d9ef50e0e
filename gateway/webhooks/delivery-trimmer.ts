/** Gives up what disabled webhooks had to get, and forgets deliveries whose time is over and those of deleted webhooks. */
import { type Clock, sleep } from '../../runtime/clock.js'
import type { Service } from '../../runtime/lifecycle.js'
import type { Logger } from '../../runtime/log.js'
import { Rounds } from '../../runtime/rounds.js'
import type { DeliveryRepository } from './delivery-repository.js'
import type { ReplayRepository } from './replay-repository.js'
import type { WebhookRepository } from './webhook-repository.js'

export interface DeliveryTrimmerOptions {
  giveUp: (signal: AbortSignal) => Promise<void>
  deliveries: DeliveryRepository
  replays: ReplayRepository
  webhooks: WebhookRepository
  retention: { succeededMs: number; exhaustedMs: number }
  clock: Clock
  log: Logger
}

export const DEFAULT_RETENTION = { succeededMs: 7 * 86_400_000, exhaustedMs: 30 * 86_400_000 }
const EVERY_MS = 600_000
const AT_ONCE = 500
/** Between two rounds of deleting: others write, too. */
const REST_MS = 20

export class DeliveryTrimmer implements Service {
  private readonly rounds: Rounds

  constructor(private readonly options: DeliveryTrimmerOptions) {
    this.rounds = new Rounds({
      round: () => this.trim(),
      restMs: EVERY_MS,
      onFailed: (err) => options.log.warn({ err }, 'deliveries.not_trimmed'),
    })
  }

  start(): Promise<void> {
    return this.rounds.start()
  }

  stop(): Promise<void> {
    return this.rounds.stop()
  }

  /** There is something to do. */
  wake(): void {
    this.rounds.wake()
  }

  /** One round over everything. */
  async trim(): Promise<void> {
    const { giveUp, deliveries, replays, webhooks, retention, clock } = this.options
    await giveUp(this.rounds.signal)
    const { succeededMs, exhaustedMs } = retention
    await this.all(() => deliveries.trim(['succeeded'], clock() - succeededMs, AT_ONCE))
    await this.all(() => deliveries.trim(['exhausted', 'cancelled'], clock() - exhaustedMs, AT_ONCE))
    await this.all(() => replays.trim(clock() - succeededMs, AT_ONCE))
    for (const id of await webhooks.deleted()) {
      await this.all(() => deliveries.trimOf(id, AT_ONCE))
      if (!this.rounds.signal.aborted) await webhooks.remove(id)
    }
  }

  private async all(some: () => Promise<number>): Promise<void> {
    const { signal } = this.rounds
    while (!signal.aborted && (await some()) === AT_ONCE) await sleep(REST_MS, signal)
  }
}
