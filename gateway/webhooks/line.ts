/** Deliveries of one webhook that wait for their turn: read ahead, so that not each of them is a question to the database. */
import type { SessionId } from '../../proto/contract.js'
import type { Delivery, DeliveryId } from './delivery.js'
import type { DeliveryRepository } from './delivery-repository.js'
import type { WebhookId } from './webhook.js'

export interface Line {
  /** Reads on: what was added, and whether there may be more; or in how many ms to ask again. */
  fill(now: number): Promise<{ rows: Delivery[]; more: boolean; restMs?: number }>
  /** The next whose turn it is; it is out until `back` is called. */
  next(now: number): Delivery | undefined
  /** One that holds others up until its time comes, if there are any; out like `next`. */
  waiting(random: () => number): Delivery | undefined
  /** It was dealt with: over, or due again at a time. Answers whether it pays to read on. */
  back(delivery: Delivery, dueAt?: number): boolean
  /** Forgets what was read ahead. */
  clear(): void
  /** How many are out. */
  readonly out: number
}

type Reads = Pick<DeliveryRepository, 'due' | 'pending'>
const AHEAD = 100
/** A look over a long backlog is followed by a rest that is so many times as long. */
const REST_FACTOR = 20
const SHORT_MS = 5

/** Any order; oldest first as far as possible. */
export class LooseLine implements Line {
  private ahead: Delivery[] = []
  private readonly outside = new Set<DeliveryId>()
  /** Not before a time, whatever their row says. */
  private readonly resting = new Map<DeliveryId, number>()

  constructor(
    private readonly webhookId: WebhookId,
    private readonly deliveries: Reads,
  ) {}

  get out(): number {
    return this.outside.size
  }

  async fill(now: number) {
    for (const [id, until] of this.resting) if (until <= now) this.resting.delete(id)
    // What comes back while this reads may still be seen as due.
    const known = new Set([...this.outside, ...this.resting.keys()])
    const limit = AHEAD + known.size
    const rows = await this.deliveries.due(this.webhookId, now, limit)
    this.ahead = rows.filter(({ id }) => !known.has(id))
    return { rows: this.ahead, more: rows.length >= limit && this.ahead.length > 0 }
  }

  next(): Delivery | undefined {
    const next = this.ahead.shift()
    if (next) this.outside.add(next.id)
    return next
  }

  waiting(): undefined {
    return undefined
  }

  back({ id }: Delivery, dueAt?: number): boolean {
    this.outside.delete(id)
    if (dueAt !== undefined) this.resting.set(id, dueAt)
    return false
  }

  clear(): void {
    this.ahead = []
    this.resting.clear()
  }
}

/** One at a time for each session, in the order of its events. */
export class OrderedLine implements Line {
  private readonly queues = new Map<SessionId | '', Delivery[]>()
  private restUntil = 0
  private readonly outside = new Set<DeliveryId>()

  constructor(
    private readonly webhookId: WebhookId,
    private readonly deliveries: Reads,
  ) {}

  get out(): number {
    return this.outside.size
  }

  /** Of sessions of which something waits, no more is needed: what stands first decides. */
  async fill() {
    const known = [...this.queues.keys()].filter((id): id is SessionId => id !== '')
    const begun = performance.now()
    // All that waits for those has to be passed over, to find what waits for others.
    if (known.length > 0 && begun < this.restUntil) {
      return { rows: [], more: false, restMs: Math.ceil(this.restUntil - begun) }
    }
    const alreadyHere = new Set(this.queues.get('')?.map(({ id }) => id))
    const rows = await this.deliveries.pending(this.webhookId, AHEAD + alreadyHere.size, known)
    const tookMs = performance.now() - begun
    if (known.length > 0 && tookMs > SHORT_MS) this.restUntil = performance.now() + REST_FACTOR * tookMs
    const added = rows.filter(({ id }) => !alreadyHere.has(id))
    for (const row of added) {
      const queue = this.queues.get(row.sessionId ?? '')
      if (queue) queue.push(row)
      else this.queues.set(row.sessionId ?? '', [row])
    }
    return { rows: added, more: added.length >= AHEAD }
  }

  next(now: number): Delivery | undefined {
    for (const [session, queue] of this.queues) {
      const [head] = queue
      if (!head || this.outside.has(head.id) || (head.dueAt ?? 0) > now) continue
      this.outside.add(head.id)
      // To the end: sessions take turns.
      this.queues.delete(session)
      this.queues.set(session, queue)
      return head
    }
    return undefined
  }

  /** Any of the heads: one that its receiver will never take must not keep the others from being tried. */
  waiting(random: () => number): Delivery | undefined {
    const heads = [...this.queues.values()].flatMap(([head]) => head ?? []).filter(({ id }) => !this.outside.has(id))
    const head = heads[Math.floor(random() * heads.length)]
    if (head) this.outside.add(head.id)
    return head
  }

  back(delivery: Delivery, dueAt?: number): boolean {
    this.outside.delete(delivery.id)
    const key = delivery.sessionId ?? ''
    const queue = this.queues.get(key)
    if (queue?.[0]?.id !== delivery.id) return false
    if (dueAt !== undefined) {
      queue[0] = { ...delivery, dueAt }
      return false
    }
    queue.shift()
    if (queue.length > 0) return false
    this.queues.delete(key)
    return true
  }

  /** Heads that are out stay, so that nothing of their session overtakes them. */
  clear(): void {
    for (const [key, queue] of this.queues) {
      const [head] = queue
      if (head && this.outside.has(head.id)) queue.splice(1)
      else this.queues.delete(key)
    }
  }
}
