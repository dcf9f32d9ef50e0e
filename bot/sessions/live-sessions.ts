import type { NodeId, NodeSession, QrShown, SessionId } from '../../proto/contract.js'
import type { NodeClient } from '../../proto/node-client.js'
import type { NodeDirectory } from '../../proto/node-directory.js'
import { sessionFromProto } from '../../proto/mapping.js'
import type { Clock } from '../../runtime/clock.js'
import type { Logger } from '../../runtime/log.js'
import type { BotState } from '../bot-state.js'

export interface LiveSession extends NodeSession {
  node: NodeId
}

/** Without a live stream for this long, what a node said last is no longer true. */
const TRUST_MS = 10_000

/** The sessions as their nodes report them, live. */
export class LiveSessions {
  private readonly sessions = new Map<SessionId, LiveSession>()
  private readonly qrs = new Map<SessionId, QrShown>()
  private readonly lostAt = new Map<NodeId, number>()

  constructor(
    private readonly directory: NodeDirectory,
    private readonly state: BotState,
    private readonly clock: Clock,
    private readonly log: Logger,
  ) {}

  /** By name, as a person sees them. */
  list(): LiveSession[] {
    return [...this.sessions.values()].map((session) => this.asSeen(session)).sort((a, b) => byName(a, b))
  }

  find(id: SessionId): LiveSession | undefined {
    const session = this.sessions.get(id)
    return session && this.asSeen(session)
  }

  nameOf(id: SessionId): string {
    return this.sessions.get(id)?.name ?? this.state.nameOf(id)
  }

  /** The newest QR code of a session, while it is valid. */
  qrOf(id: SessionId): QrShown | undefined {
    return this.qrs.get(id)
  }

  /** Also of a node that did not answer a moment ago: the call itself tells. Throws `unavailable` for unknown ones. */
  clientOf(session: LiveSession): NodeClient {
    const node = this.directory.find(session.node)
    return node ? node.client : this.directory.get(session.node)
  }

  /** Asks every node for its sessions: the streams do not tell of those that were deleted. */
  async refresh(): Promise<void> {
    const asked = this.directory.nodes().map(async ({ client, reachable, info }) => {
      if (!reachable || !info) return
      try {
        const { sessions } = await client.call('ListSessions', {})
        this.replace(info.id, sessions.map(sessionFromProto))
      } catch (err) {
        this.log.warn({ err, node: info.id }, 'sessions.not_listed')
      }
    })
    await Promise.all(asked)
  }

  /** Takes a snapshot; answers what is new in it, and the sessions that are gone. */
  replace(node: NodeId, sessions: NodeSession[], qrs?: QrShown[]): { changed: LiveSession[]; gone: LiveSession[] } {
    this.lostAt.delete(node)
    const kept = new Set(sessions.map(({ id }) => id))
    const gone = [...this.sessions.values()].filter((known) => known.node === node && !kept.has(known.id))
    for (const { id } of gone) this.forget(id)
    if (qrs) {
      for (const { id } of sessions) this.qrs.delete(id)
      for (const qr of qrs) this.applyQr(qr)
    }
    const changed = sessions.filter((session) => this.apply(node, session)).map((session) => ({ ...session, node }))
    return { changed, gone }
  }

  /** False when it is older than what is known: events are replayed after a snapshot. */
  apply(node: NodeId, session: NodeSession): boolean {
    const known = this.sessions.get(session.id)
    if (known && known.node === node && known.changedAt > session.changedAt) return false
    if (known && known.node !== node && !this.movedFrom(known)) return false
    this.sessions.set(session.id, { ...session, node })
    if (known?.name !== session.name) this.state.rememberName(session.id, session.name)
    // A code may come before the status that goes with it.
    if (session.status !== 'qr_pending' && session.status !== 'starting') this.qrs.delete(session.id)
    return known?.status !== session.status || known.reason !== session.reason || known.changedAt !== session.changedAt
  }

  applyQr(qr: QrShown): void {
    if (qr.qr === '') this.qrs.delete(qr.sessionId)
    else this.qrs.set(qr.sessionId, qr)
  }

  nodeLost(node: NodeId): void {
    if (!this.lostAt.has(node)) this.lostAt.set(node, this.clock())
  }

  forget(id: SessionId): void {
    this.sessions.delete(id)
    this.qrs.delete(id)
  }

  /** A node that was given up and comes back still has the sessions that run elsewhere by now. */
  private movedFrom({ node, status, reason }: LiveSession): boolean {
    const isNodeAway = this.lostAt.has(node) || !this.directory.find(node)?.reachable
    return isNodeAway || reason === 'placed_elsewhere' || status === 'logged_out'
  }

  private asSeen(session: LiveSession): LiveSession {
    const lostAt = this.lostAt.get(session.node)
    if (lostAt === undefined || this.clock() - lostAt < TRUST_MS) return session
    const ended = ['stopped', 'logged_out', 'failed', 'created'].includes(session.status)
    if (ended) return session
    return { ...session, status: 'disconnected', reason: 'node_unreachable', changedAt: lostAt }
  }
}

function byName(a: LiveSession, b: LiveSession): number {
  return a.name.localeCompare(b.name) || a.tenantId.localeCompare(b.tenantId) || a.id.localeCompare(b.id)
}
