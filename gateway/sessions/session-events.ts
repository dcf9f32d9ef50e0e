import type { NodeEvent, NodeId, NodeSession, SessionId } from '../../proto/contract.js'
import type { Tx } from '../db/database.js'
import type { Told } from '../events/event.js'
import { NO_NODE, type Session, type SessionPlace, type Wanted } from './session.js'
import type { SessionRepository } from './session-repository.js'

export interface AppliedSessionEvent {
  session: Session
  /** Another number than before was linked: what was meant for the old one must not be sent from the new one. */
  numberChanged: boolean
}

/** What the events of a node do to session rows. Called in the transaction that stores the events. */
export class SessionEvents {
  constructor(private readonly repository: SessionRepository) {}

  /** Answers null for a session that is not on this node, or not any more. */
  async apply(tx: Tx, nodeId: NodeId, event: NodeEvent): Promise<AppliedSessionEvent | null> {
    if (event.body.kind !== 'session_status') return null
    const before = await this.repository.findIn(tx, event.sessionId)
    if (!before || before.nodeId !== nodeId || before.liveName === null) return null
    const told = event.body.session
    const change: Partial<Session> = {
      ...statusOf(told),
      wanted: wantedAfter(before.wanted, told),
      lid: told.lid ?? before.lid,
      pushName: told.pushName ?? before.pushName,
      ...(told.phone === undefined ? {} : { phone: told.phone }),
    }
    await this.repository.update(tx, before.id, change)
    const numberChanged = before.phone !== null && told.phone !== undefined && told.phone !== before.phone
    return { session: { ...before, ...change }, numberChanged }
  }

  /** Deleted ones too. */
  byIds(tx: Tx, ids: readonly SessionId[]): Promise<Session[]> {
    return this.repository.byIds(tx, ids)
  }

  /** Deleted ones too. */
  placesOf(tx: Tx, ids: readonly SessionId[]): Promise<SessionPlace[]> {
    return this.repository.placesOf(tx, ids)
  }

  /** Those that a node has, deleted ones not. */
  idsOn(tx: Tx, nodeId: NodeId): Promise<SessionId[]> {
    return this.repository.idsOn(tx, nodeId)
  }

  /** All of them, whatever their status. */
  on(nodeId: NodeId): Promise<Session[]> {
    return this.repository.ofNode(nodeId)
  }

  /** Its node was given up: it has to be linked anew, on any node. */
  lose(tx: Tx, id: SessionId, at: number): Promise<void> {
    const status = { status: 'logged_out', reason: 'node_lost', detail: null, wanted: 'logged_out' } as const
    return this.repository.update(tx, id, {
      ...status,
      nodeId: NO_NODE,
      connectedAt: null,
      changedAt: new Date(at),
    })
  }
}

/** What the tenant is told of a session's status. No QR code is ever in it. */
export function sessionTold(
  session: Pick<NodeSession, 'status' | 'reason' | 'detail' | 'phone' | 'lid' | 'pushName'>,
): Told {
  const { status, reason, detail, phone, lid, pushName } = session
  const data = {
    status,
    ...(reason ? { reason } : {}),
    ...(detail ? { detail } : {}),
    ...(phone ? { phone: `+${phone}` } : {}),
    ...(lid ? { lid } : {}),
    ...(pushName ? { pushName } : {}),
  }
  // The type and the status in its data are the same word.
  return { type: `session.${status}`, data } as Told
}

/** The part of a row that a node's word on a session decides, whichever way it came. */
export function statusOf(told: NodeSession): Partial<Session> {
  return {
    status: told.status,
    reason: told.reason ?? null,
    detail: told.detail ?? null,
    changedAt: new Date(told.changedAt),
    connectedAt: told.connectedAt === undefined ? null : new Date(told.connectedAt),
  }
}

/** Sessions are started and stopped from Telegram too, straight at the node. */
function wantedAfter(wanted: Wanted, { status, reason }: NodeSession): Wanted {
  // A node that shuts down brings its sessions back by itself.
  if (wanted === 'deleted' || reason === 'node_stopping') return wanted
  if (status === 'stopped' || status === 'logged_out') return status
  if (status === 'starting' || status === 'qr_pending' || status === 'connected') return 'running'
  return wanted
}
