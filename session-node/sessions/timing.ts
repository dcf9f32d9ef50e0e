/** How long sessions wait, in one place. Tests give shorter ones. */
export interface Timing {
  /** Between two launches of real browsers; two may be under way at once. */
  launchGapMs: number
  launchesAtOnce: number
  /** From launch to a QR or the first sign of a link, and from there to the connection: backstops, as for `sendMs`. */
  launchMs: number
  readyMs: number
  backoffMs: { first: number; most: number }
  /** Connected this long, a session counts as healthy again. */
  healthyAfterMs: number
  breaker: { restarts: number; withinMs: number; pauseMs: number }
  probeMs: number
  probeFailures: number
  /** A browser that takes more than `soft` is restarted when nothing happened for `idleMs`; more than `hard`, now. */
  memory: { softBytes: number; hardBytes: number; idleMs: number }
  /** The line to WhatsApp may be down this long before the browser is restarted. */
  lineDownMs: number
  /** For a message to get its first ack. */
  ackMs: number
  /** The same for one that was found waiting in the page. */
  pageAckMs: number
  /** A send in hand is given this long to end by itself before its client is stopped. */
  idleMs: number
  /** One send, from the call to its outcome: a backstop, clients have their own deadline. */
  sendMs: number
  /** Between two looks for the trace of a message. */
  reconcileMs: number
  expirySweepMs: number
  heartbeatMs: number
  /** Between two questions to the gateway whether this node may send. */
  permitMs: number
}

export const defaultTiming: Timing = {
  launchGapMs: 5_000,
  launchesAtOnce: 2,
  launchMs: 180_000,
  readyMs: 360_000,
  backoffMs: { first: 2_000, most: 300_000 },
  healthyAfterMs: 600_000,
  breaker: { restarts: 5, withinMs: 900_000, pauseMs: 900_000 },
  probeMs: 30_000,
  probeFailures: 2,
  memory: { softBytes: 2 ** 30, hardBytes: 1.5 * 2 ** 30, idleMs: 120_000 },
  lineDownMs: 600_000,
  ackMs: 75_000,
  pageAckMs: 60_000,
  idleMs: 5_000,
  sendMs: 600_000,
  reconcileMs: 5_000,
  expirySweepMs: 1_000,
  heartbeatMs: 10_000,
  permitMs: 3_000,
}
