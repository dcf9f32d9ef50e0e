import type { SessionId } from '../proto/contract.js'
import type { SendingPermit as Answer } from '../proto/node-client.js'
import type { Clock } from '../runtime/clock.js'

interface Moment {
  monotonic: number
  wall: number
}

/** Answers to older questions have run out by then. */
const MOST_OPEN = 10

/**
 * Whether this node may send. Only the gateway that follows it knows that the node was not given up and its messages
 * sent from elsewhere, so the node asks every few seconds, and without an answer it sends nothing.
 */
export class SendingPermit {
  private readonly asked = new Map<number, Moment>()
  private readonly listeners = new Set<() => void>()
  /** Sessions that wait, having been told no. */
  private readonly refused = new Set<SessionId>()
  private last = 0
  private granted: { from: Moment; forMs: number } | undefined
  private except: ReadonlySet<SessionId> = new Set()

  constructor(
    private readonly clock: Clock,
    /** Sends without asking. */
    private readonly always = false,
  ) {}

  /** The number of a new question. The answer holds from now on, however long it takes to come. */
  ask(): number {
    this.asked.set(++this.last, this.now())
    this.asked.delete(this.last - MOST_OPEN)
    return this.last
  }

  grant({ asked, forMs, except }: Answer): void {
    const from = this.asked.get(asked)
    if (!from) return
    for (const number of this.asked.keys()) if (number <= asked) this.asked.delete(number)
    this.granted = { from, forMs }
    this.except = new Set(except)
    // Asked of those that were refused: a clock that is set back opens it, too, without anybody noticing.
    const waiting = [...this.refused].filter((id) => this.isAllowed(id))
    for (const id of waiting) this.refused.delete(id)
    if (waiting.length > 0) for (const listener of this.listeners) listener()
  }

  allows(sessionId: SessionId): boolean {
    if (this.always || this.isAllowed(sessionId)) return true
    this.refused.add(sessionId)
    return false
  }

  /** Runs when sessions may send that were refused before. */
  onGranted(listener: () => void): void {
    this.listeners.add(listener)
  }

  private isAllowed(sessionId: SessionId): boolean {
    return this.isOpen() && !this.except.has(sessionId)
  }

  private isOpen(): boolean {
    if (!this.granted) return false
    const { from, forMs } = this.granted
    const now = this.now()
    // The longer of the two: a machine that slept may have stopped the one, and the other may be set.
    return Math.max(now.monotonic - from.monotonic, now.wall - from.wall) < forMs
  }

  private now(): Moment {
    return { monotonic: performance.now(), wall: this.clock() }
  }
}
