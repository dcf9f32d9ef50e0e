import type { SessionId, SessionStatus } from '../../proto/contract.js'
import { explain } from '../../proto/reasons.js'
import type { Clock } from '../../runtime/clock.js'
import type { Service } from '../../runtime/lifecycle.js'
import type { Logger } from '../../runtime/log.js'
import { Rounds } from '../../runtime/rounds.js'
import type { LiveSession, LiveSessions } from '../sessions/live-sessions.js'
import { type Html, rich, lines } from '../telegram/html.js'
import type { Button, Talk } from '../telegram/talk.js'
import { TelegramCallError } from '../telegram/telegram-api.js'
import type { Incident, IncidentKind, Incidents } from './incidents.js'

export interface AlertTiming {
  /** A line that comes back within this is nobody's business. */
  graceMs: number
  /** What follows each other as closely as this is told together. */
  gatherMs: number
  /** Between two alerts at least. */
  gapMs: number
  checkMs: number
}

export const alertTiming: AlertTiming = { graceMs: 30_000, gatherMs: 2_000, gapMs: 30_000, checkMs: 1_000 }

const SHOWN = 20

interface Parts {
  operators: readonly number[]
  incidents: Incidents
  live: LiveSessions
  talk: Talk
  /** True while somebody is being shown the session's QR code. */
  isBeingLinked: (sessionId: SessionId) => boolean
  clock: Clock
  log: Logger
  timing?: AlertTiming
}

/** Tells operators when a session drops, is logged out, fails or needs a scan: once each, together, and when it is over. */
export class Alerts implements Service {
  private readonly timing: AlertTiming
  private readonly rounds: Rounds
  private lastToldAt = -Infinity

  constructor(private readonly parts: Parts) {
    this.timing = parts.timing ?? alertTiming
    this.rounds = new Rounds({
      round: () => this.tellDue(),
      restMs: this.timing.checkMs,
      restFirst: true,
      onFailed: (err) => parts.log.error({ err }, 'alerts.failed'),
    })
  }

  start(): Promise<void> {
    return this.rounds.start()
  }

  stop(): Promise<void> {
    return this.rounds.stop()
  }

  /** What a session's status means for its incident. Called at each change, and with what a snapshot shows. */
  statusChanged(session: LiveSession): void {
    const { incidents, clock } = this.parts
    const { id, status, reason } = session
    const open = incidents.find(id)
    if (status === 'connected') {
      incidents.setLinked(id, true)
      if (open) this.close(open)
      return
    }
    const kind = this.kindOf(session)
    if (status === 'logged_out') incidents.setLinked(id, false)
    if (!kind) {
      // Someone wanted it so. A start is neither good nor bad yet: what it becomes decides.
      if (open && (status === 'stopped' || (status === 'logged_out' && reason === 'logged_out_by_request'))) {
        incidents.remove(id)
      }
      return
    }
    if (open && open.overAt === null && rank[kind] <= rank[open.kind]) return
    const now = clock()
    const since = open && open.overAt === null ? open.since : now
    incidents.save({ sessionId: id, kind, since, dueAt: now + this.graceOf(kind), told: false, overAt: null })
  }

  /** One round: tells what is due, if anything. */
  async tellDue(): Promise<void> {
    const { incidents, live, clock } = this.parts
    const now = clock()
    this.noteLostNodes()
    if (now - this.lastToldAt < this.timing.gapMs) return
    const { ready, isGathering } = this.ready(now)
    if (ready.length === 0 || isGathering) return
    const bad = ready.filter(({ overAt }) => overAt === null)
    const good = ready.filter(({ overAt }) => overAt !== null)
    this.lastToldAt = now
    const named = (incident: Incident) => ({
      incident,
      name: live.nameOf(incident.sessionId),
      session: live.find(incident.sessionId),
    })
    await this.tell(textOf(bad.map(named), good.map(named), now), buttonsOf(bad.map(named)))
    // Read again: it may have ended, or got worse, while it was told.
    for (const { sessionId, kind } of bad) {
      const incident = incidents.find(sessionId)
      if (incident?.kind === kind) incidents.save({ ...incident, told: true })
    }
    for (const { sessionId } of good) {
      const incident = incidents.find(sessionId)
      if (incident?.overAt !== null) incidents.remove(sessionId)
    }
  }

  /** What is to be told, and whether more is about to be: then it waits, though not for ever. */
  private ready(now: number): { ready: Incident[]; isGathering: boolean } {
    const { gatherMs } = this.timing
    const readyAt = ({ told, overAt, dueAt }: Incident) =>
      overAt === null ? (told ? Infinity : dueAt) : overAt + gatherMs
    const all = this.parts.incidents.all()
    const ready = all.filter((incident) => readyAt(incident) <= now)
    const isSoon = all.some((incident) => readyAt(incident) > now && readyAt(incident) <= now + gatherMs)
    const waitedMs = Math.max(0, ...ready.map((incident) => now - readyAt(incident)))
    return { ready, isGathering: isSoon && waitedMs < 5 * gatherMs }
  }

  private close(open: Incident): void {
    const { incidents, clock } = this.parts
    if (open.told) incidents.save({ ...open, overAt: clock() })
    else incidents.remove(open.sessionId)
  }

  private kindOf({ id, status, reason }: LiveSession): IncidentKind | null {
    const { incidents, isBeingLinked } = this.parts
    switch (status) {
      case 'disconnected':
        return incidents.isLinked(id) ? 'disconnected' : null
      case 'logged_out':
        return reason === 'logged_out_by_request' || !incidents.isLinked(id) ? null : 'logged_out'
      case 'failed':
        return isBeingLinked(id) ? null : 'failed'
      case 'qr_pending':
        return incidents.isLinked(id) && !isBeingLinked(id) ? 'needs_scan' : null
      case 'created':
      case 'starting':
      case 'connected':
      case 'stopped':
        return null
    }
  }

  private graceOf(kind: IncidentKind): number {
    // Short ones too wait a moment, so that what happens together is told together.
    return kind === 'disconnected' ? this.timing.graceMs : this.timing.gatherMs
  }

  /** A node that is away reports nothing: its sessions are found disconnected by looking. */
  private noteLostNodes(): void {
    for (const session of this.parts.live.list()) {
      if (session.reason === 'node_unreachable') this.statusChanged(session)
    }
  }

  /** Throws when nobody could be told, for a reason that passes. */
  private async tell(text: Html, buttons: Button[][]): Promise<void> {
    const { operators, talk, log } = this.parts
    const failures: TelegramCallError[] = []
    const told = operators.map(async (operator) => {
      try {
        // An operator's private chat has the operator's id.
        await talk.say(operator, text, { buttons })
      } catch (err) {
        if (!(err instanceof TelegramCallError)) throw err
        failures.push(err)
        log.warn({ err, operator, hint: 'the operator has to send /start to the bot once' }, 'alert.not_delivered')
      }
    })
    await Promise.all(told)
    const [first] = failures
    if (first && failures.length === operators.length && failures.some(({ passing }) => passing)) throw first
  }
}

/** An incident only gets worse; what is not worse belongs to the one that is open. */
const rank: Record<IncidentKind, number> = { disconnected: 0, needs_scan: 1, logged_out: 2, failed: 2 }

interface Named {
  incident: Incident
  name: string
  session: LiveSession | undefined
}

const kindWords: Record<IncidentKind, string> = {
  disconnected: 'is disconnected',
  needs_scan: 'needs to be scanned again',
  logged_out: 'was logged out',
  failed: 'failed',
}

function textOf(bad: Named[], good: Named[], now: number): Html {
  const badLines = bad.slice(0, SHOWN).map(({ incident, name, session }) => {
    const why = session?.reason && stillBad(session.status) ? ` ${explain(session.reason)}` : ''
    return rich`🔴 <b>${name}</b> ${kindWords[incident.kind]}.${why}`
  })
  const goodLines = good.slice(0, SHOWN).map(({ incident, name }) => {
    const minutes = Math.max(1, Math.round(((incident.overAt ?? now) - incident.since) / 60_000))
    return rich`🟢 <b>${name}</b> is back after ${minutes} min.`
  })
  const more = Math.max(0, bad.length - SHOWN) + Math.max(0, good.length - SHOWN)
  return lines(...badLines, ...goodLines, more > 0 ? rich`… and ${more} more. /sessions lists them all.` : null)
}

function stillBad(status: SessionStatus): boolean {
  return status !== 'connected' && status !== 'starting'
}

function buttonsOf(bad: Named[]): Button[][] {
  return bad.slice(0, 5).flatMap(({ incident, session }) => {
    if (!session || incident.kind === 'disconnected') return []
    return [[{ text: `🔳 QR for ${session.name}`, data: `qr:${session.id}` }]]
  })
}
