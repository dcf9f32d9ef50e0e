import type { QrShown, SessionId, SessionStatus, WatchItem } from '../../proto/contract.js'
import { explain } from '../../proto/reasons.js'
import { AppError } from '../../runtime/app-error.js'
import { type Clock, sleep } from '../../runtime/clock.js'
import type { Logger } from '../../runtime/log.js'
import type { Session } from './session.js'
import { isNodeAway, type SessionNode } from './session-node.js'

/** What somebody who waits to scan sees. */
export interface LinkView {
  status: SessionStatus
  reason?: string
  detail?: string
  phone?: string
  pushName?: string
  qr?: { text: string; expiresAt: number }
}

/** Statuses in which no QR comes by itself. */
const settled: readonly SessionStatus[] = ['connected', 'stopped', 'logged_out', 'failed']
const AGAIN_MS = 1_000

/** Follows one session at its node, live: QR codes exist nowhere else. */
export class SessionLive {
  constructor(
    private readonly node: SessionNode,
    private readonly clock: Clock,
    private readonly log: Logger,
  ) {}

  /** The view now, and each time it changes, until the signal fires. A node that is away is waited for. */
  async *views(session: Session, signal: AbortSignal): AsyncGenerator<LinkView> {
    let shown = ''
    while (!signal.aborted) {
      try {
        for await (const view of this.watch(session, signal)) {
          const text = JSON.stringify(view)
          if (text !== shown) yield view
          shown = text
        }
      } catch (err) {
        if (signal.aborted) return
        if (!isNodeAway(err)) throw err
        this.log.debug({ err, session: session.id }, 'session.watch_lost')
        const away: LinkView = {
          status: 'disconnected',
          reason: 'node_unreachable',
          detail: explain('node_unreachable'),
        }
        const text = JSON.stringify(away)
        if (text !== shown) yield away
        shown = text
        await sleep(AGAIN_MS, signal)
      }
    }
  }

  /**
   * The first view that has a QR, or in which none will come; undefined when neither is so in time. Throws
   * `unavailable` when the node is away.
   */
  async settledView(session: Session, waitMs: number): Promise<LinkView | undefined> {
    const ending = new AbortController()
    const timer = setTimeout(() => ending.abort(), waitMs)
    try {
      for await (const view of this.watch(session, ending.signal)) {
        // The QR may come a moment before the status that goes with it.
        if ((view.qr && view.status === 'qr_pending') || settled.includes(view.status)) return view
      }
      return undefined
    } finally {
      clearTimeout(timer)
      ending.abort()
    }
  }

  private async *watch(session: Session, signal: AbortSignal): AsyncGenerator<LinkView> {
    const client = this.node.client(session.nodeId)
    let state: LinkView = { status: session.status }
    let qr: QrShown | undefined
    for await (const item of client.watch({ sessionIds: [session.id], signal })) {
      const told = toldBy(item, session.id)
      if (!told) continue
      if (told.state) state = told.state
      if ('qr' in told) qr = told.qr
      yield { ...state, ...(settled.includes(state.status) ? {} : qrView(qr, this.clock())) }
    }
  }
}

/**
 * What an item says of the session, if anything. Status and QR come on ways of their own, so either may be a moment ahead
 * of the other: each is kept until its own way says otherwise.
 */
function toldBy(item: WatchItem, id: SessionId): { state?: LinkView; qr?: QrShown | undefined } | undefined {
  switch (item.kind) {
    case 'snapshot': {
      const session = item.sessions.find((known) => known.id === id)
      const qr = item.qrs.find(({ sessionId }) => sessionId === id)
      return { ...(session ? { state: statusView(session) } : {}), qr }
    }
    case 'event': {
      const { event } = item
      if (event.sessionId !== id || !('body' in event) || event.body.kind !== 'session_status') return undefined
      return { state: statusView(event.body.session) }
    }
    case 'qr':
      return item.qr.sessionId === id ? { qr: item.qr } : undefined
    default:
      return undefined
  }
}

function statusView({ status, reason, detail, phone, pushName }: Omit<LinkView, 'qr'>): LinkView {
  const said = detail ?? (reason === undefined ? undefined : explain(reason))
  return {
    status,
    ...(reason === undefined ? {} : { reason }),
    ...(said === undefined ? {} : { detail: said }),
    ...(phone === undefined ? {} : { phone: `+${phone}` }),
    ...(pushName === undefined ? {} : { pushName }),
  }
}

function qrView(shown: QrShown | undefined, now: number): Pick<LinkView, 'qr'> {
  if (!shown || shown.qr === '' || shown.expiresAt <= now) return {}
  return { qr: { text: shown.qr, expiresAt: shown.expiresAt } }
}

/** Why there is no QR to show. */
export function noQr(session: Session, view: LinkView | undefined): AppError {
  if (!view) {
    return new AppError('not_ready', `The session ${session.name} is still starting; its QR code is not there yet.`, {
      reason: 'qr_not_ready',
      retryAfterMs: 2_000,
    })
  }
  if (view.status === 'connected') {
    return new AppError('conflict', `The session ${session.name} is linked already.`, { reason: 'already_linked' })
  }
  const why = view.detail ?? (view.reason === undefined ? '' : explain(view.reason))
  return new AppError('not_ready', `The session ${session.name} is ${view.status} and has no QR code. ${why}`.trim(), {
    reason: 'qr_not_available',
  })
}
