/** Delivers to one webhook: so many at once as it takes, none while it rests. A receiver that hangs delays no other one. */
import { toAppError } from '../../runtime/app-error.js'
import { type Clock, sleep } from '../../runtime/clock.js'
import { faultPoint } from '../../runtime/fault-point.js'
import type { Logger } from '../../runtime/log.js'
import type { Delivery, Outcome } from './delivery.js'
import type { DeliveryRecorder } from './delivery-recorder.js'
import type { DeliveryRepository } from './delivery-repository.js'
import type { EventBodies } from './event-bodies.js'
import { LooseLine, type Line, OrderedLine } from './line.js'
import { breakerTimes, type Schedule } from './schedule.js'
import type { Sockets } from './sockets.js'
import type { WebhookSender } from './webhook-sender.js'
import { judge, type Turn, type Verdict } from './verdict.js'
import { isHeld, isOpen, probeAt, type Webhook } from './webhook.js'

export interface LaneParts {
  deliveries: DeliveryRepository
  recorder: DeliveryRecorder
  bodies: EventBodies
  sender: WebhookSender
  sockets: Sockets
  schedule: Schedule
  onAttempt: (outcome: Outcome, result: Verdict['result']) => void
  random: () => number
  clock: Clock
  log: Logger
}

/** Outcomes that are not written down yet; more than that, and the database has to catch up. */
const MOST_UNWRITTEN = 200
const WRITE_AGAIN_MS = 1_000
const MEDIA_LOOK_MS = 500
/** What is due later is found by those who look now and then. */
const FAR_MS = 60_000

export class Lane {
  private line: Line
  private inFlight = 0
  private stale = true
  private isDue = false
  private pumping = false
  private again = false
  private timer: NodeJS.Timeout | undefined
  private timerAt = Infinity
  private closed = false
  private readonly running = new Set<Promise<void>>()
  /** performance.now(): of the last time that there was something to do. */
  usedAt = performance.now()

  constructor(
    private webhook: Webhook,
    /** performance.now(): no attempt begins later, because another gateway may deliver then. */
    private mayUntil: number,
    private readonly parts: LaneParts,
    private readonly aborting: AbortSignal,
  ) {
    this.line = this.newLine()
  }

  get isIdle(): boolean {
    return this.running.size === 0
  }

  extend(mayUntil: number): void {
    this.mayUntil = mayUntil
  }

  /** The row, changed by a person: how it is doing is known better here, unless it was enabled anew. */
  update(webhook: Webhook, { reset = false } = {}): void {
    const { health, status, ordered } = this.webhook
    const active = webhook.status === 'enabled' || webhook.status === 'failing'
    const wasActive = status === 'enabled' || status === 'failing'
    this.webhook = active && wasActive && !reset ? { ...webhook, health, status } : webhook
    if (ordered !== webhook.ordered) this.line = this.newLine()
    this.refresh()
  }

  /** There may be something to do. */
  wake(): void {
    this.usedAt = performance.now()
    this.stale = true
    void this.pump()
  }

  /** Somebody looked, and something is due: what was read ahead is as good as ever while it is being worked on. */
  look(): void {
    this.isDue = true
    if (this.isIdle) this.refresh()
    else this.wake()
  }

  /** What was read ahead may have been changed by others. */
  refresh(): void {
    this.line.clear()
    this.wake()
  }

  close(): void {
    this.closed = true
    clearTimeout(this.timer)
  }

  /** Resolves once nothing is in hand. */
  async settled(): Promise<void> {
    while (this.pumping || this.running.size > 0) {
      await Promise.all(this.running)
      await new Promise((resolve) => setImmediate(resolve))
    }
  }

  private newLine(): Line {
    const { id, ordered } = this.webhook
    return ordered ? new OrderedLine(id, this.parts.deliveries) : new LooseLine(id, this.parts.deliveries)
  }

  private async pump(): Promise<void> {
    this.again = true
    if (this.pumping) return
    this.pumping = true
    try {
      while (this.again && !this.closed) {
        this.again = false
        await this.takeSome()
      }
    } catch (err) {
      this.parts.log.warn({ err, webhook: this.webhook.id }, 'deliveries.not_read')
      this.wakeAt(this.parts.clock() + WRITE_AGAIN_MS)
    } finally {
      this.pumping = false
    }
  }

  private async takeSome(): Promise<void> {
    const { clock, bodies } = this.parts
    const room = () => {
      const { health, concurrency } = this.webhook
      return (isOpen(health) ? 1 : concurrency) - this.inFlight
    }
    const mayTake = () =>
      !this.closed && this.mayRun(clock()) && room() > 0 && this.line.out - this.inFlight < MOST_UNWRITTEN
    while (mayTake()) {
      const next = this.line.next(clock())
      if (next) {
        this.isDue = false
        this.begin(next)
        continue
      }
      if (!this.stale) return this.probe()
      this.stale = false
      const { rows, more, restMs } = await this.line.fill(clock())
      if (more) this.stale = true
      if (restMs !== undefined) {
        this.stale = true
        this.wakeAt(clock() + restMs)
        return this.probe()
      }
      if (rows.length > 0) await bodies.prepare(rows)
    }
  }

  /** What is due waits behind what is not: that is tried in its stead, or nobody would see that the receiver is back. */
  private probe(): void {
    const { schedule, random, clock } = this.parts
    const { health } = this.webhook
    const isCalledFor = this.isDue && this.isIdle
    this.isDue = false
    if (!isCalledFor || clock() < (probeAt(health, breakerTimes(schedule)) ?? Infinity)) return
    const head = this.line.waiting(random)
    if (head) this.begin(head, { isProbe: true })
  }

  private mayRun(now: number): boolean {
    const { status, health } = this.webhook
    if (status !== 'enabled' && status !== 'failing') return false
    if (isHeld(health, now)) {
      this.wakeAt(health.hold?.until ?? now)
      return false
    }
    return performance.now() < this.mayUntil
  }

  private begin(delivery: Delivery, { isProbe = false } = {}): void {
    this.inFlight += 1
    const done = this.attempt(delivery, isProbe)
      .catch((err: unknown) => {
        this.parts.log.error({ err, delivery: delivery.id }, 'delivery.failed')
        this.back(this.line, delivery, this.parts.clock() + WRITE_AGAIN_MS)
      })
      .finally(() => {
        this.running.delete(done)
        void this.pump()
      })
    this.running.add(done)
  }

  private async attempt(delivery: Delivery, isProbe: boolean): Promise<void> {
    const { bodies, deliveries, sender, sockets, clock } = this.parts
    const { webhook, line } = this
    let outcome: Outcome | undefined
    let traceId: string | undefined
    try {
      const body = await bodies.one(delivery)
      if (body === 'gone') {
        await deliveries.cancel([delivery.id], clock())
        return this.back(line, delivery)
      }
      if (body === 'waiting') {
        const at = clock() + MEDIA_LOOK_MS
        return this.back(line, delivery, at)
      }
      traceId = body.traceId
      let isLate = false
      outcome = await sockets.run(webhook.health.failures > 0, async () => {
        // While it waited for its turn the lease may have run out.
        isLate = this.closed || performance.now() >= this.mayUntil
        return isLate ? undefined : sender.post(webhook, delivery.eventId, body, this.aborting)
      })
      if (isLate) return this.back(line, delivery, clock())
    } finally {
      this.inFlight -= 1
    }
    if (!outcome) return this.back(line, delivery)
    faultPoint('delivery.answered')
    // The slot is free; what is known of it is written down meanwhile.
    const verdict = this.judge(delivery, outcome, isProbe, traceId)
    void this.pump()
    await this.write(verdict)
    // One that stays at the head of its line is not read again.
    this.back(line, { ...delivery, attempts: delivery.attempts + (verdict.isProbe ? 0 : 1) }, verdict.dueAt)
    if (verdict.turn?.recovered) this.refresh()
  }

  private back(line: Line, delivery: Delivery, again?: number): void {
    // One that was tried before its time waits for it still.
    const dueAt = again === undefined ? undefined : Math.max(again, delivery.dueAt ?? 0)
    if (line.back(delivery, dueAt)) this.stale = true
    if (dueAt !== undefined) this.wakeAt(dueAt)
  }

  private judge(delivery: Delivery, outcome: Outcome, isProbe: boolean, trace: string | undefined): Verdict {
    const { schedule, random, clock, onAttempt, log } = this.parts
    const { webhook } = this
    const verdict = judge(webhook, delivery, outcome, { schedule, random, now: clock(), isProbe })
    if (verdict.turn) this.webhook = { ...webhook, ...statusOf(verdict.turn), health: verdict.turn.health }
    onAttempt(outcome, verdict.result)
    const { status, error, durationMs } = outcome
    const { id, webhookId, eventId, eventType, tenantId, attempts } = delivery
    const line = { delivery: id, webhook: webhookId, event: eventId, type: eventType, tenant: tenantId, trace }
    const told = { ...line, attempt: attempts + 1, isProbe, result: verdict.result, status, error, durationMs }
    if (verdict.result === 'succeeded') log.debug(told, 'delivery.attempted')
    else log.info(told, 'delivery.attempted')
    return verdict
  }

  /** Until it is written: else it would be sent again. */
  private async write(verdict: Verdict): Promise<void> {
    for (;;) {
      try {
        return await this.parts.recorder.record(verdict, { hurry: this.webhook.ordered })
      } catch (err) {
        this.parts.log.warn({ err: toAppError(err), delivery: verdict.delivery.id }, 'delivery.not_written')
        if (this.aborting.aborted) return
        await sleep(WRITE_AGAIN_MS, this.aborting)
      }
    }
  }

  private wakeAt(at: number): void {
    const inMs = at - this.parts.clock()
    if (this.closed || inMs > FAR_MS || at >= this.timerAt) return
    clearTimeout(this.timer)
    this.timerAt = at
    this.timer = setTimeout(
      () => {
        this.timerAt = Infinity
        this.wake()
      },
      Math.max(1, inMs),
    )
  }
}

const statusOf = ({ status, reason }: Turn) => ({ status, reason })
