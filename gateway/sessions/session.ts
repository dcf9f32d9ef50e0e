import type {
  Engine,
  NodeId,
  Pacing,
  SandboxOptions,
  SessionId,
  SessionStatus,
  TenantId,
} from '../../proto/contract.js'
import { AppError } from '../../runtime/app-error.js'
import { isId } from '../../runtime/ids.js'

/** What was asked for last. The node, and the reconciler when the node was away, make it so. */
export type Wanted = 'running' | 'stopped' | 'logged_out' | 'deleted'

/** Where a session is whose node was given up, until it is started again. */
export const NO_NODE = '' as NodeId

export interface Session {
  id: SessionId
  tenantId: TenantId
  name: string
  /** The name while the session exists; null once it is deleted, which frees the name. */
  liveName: string | null
  engine: Engine
  nodeId: NodeId
  wanted: Wanted
  /** As the node's newest event says; `shownStatus` says what is true now. */
  status: SessionStatus
  reason: string | null
  detail: string | null
  /** Digits. */
  phone: string | null
  lid: string | null
  pushName: string | null
  pacing: Pacing
  sandbox: SandboxOptions | null
  metadata: Record<string, string> | null
  changedAt: Date
  connectedAt: Date | null
  createdAt: Date
  deletedAt: Date | null
}

/** What decides where its messages go. */
export type SessionPlace = Pick<Session, 'id' | 'tenantId' | 'nodeId' | 'wanted' | 'connectedAt'>

/** Statuses that only a node which answers can vouch for. */
export const liveStatuses: readonly SessionStatus[] = ['starting', 'qr_pending', 'connected', 'disconnected']

/** A node that was not heard for so long is not there. */
export const SILENCE_MS = 10_000

/** What is true now: without its node, a session that should run reads `disconnected`. */
export function shownStatus(
  session: Pick<Session, 'wanted' | 'status' | 'reason' | 'detail'>,
  nodeIsSilent: boolean,
): Pick<Session, 'status' | 'reason' | 'detail'> {
  const { wanted, status, reason, detail } = session
  if (wanted === 'deleted') return { status: 'stopped', reason: 'deleting', detail: null }
  if (nodeIsSilent && (liveStatuses.includes(status) || (status === 'created' && wanted === 'running'))) {
    return { status: 'disconnected', reason: 'node_unreachable', detail: null }
  }
  return { status, reason, detail }
}

/** Paths that stand where a session's name could. */
const taken = ['init', 'status', 'disconnect']

export const NAME_RULE =
  'must begin with a letter a-z, then up to 39 of a-z, 0-9, _ and -, and not be init, status or disconnect'

export function isSessionName(text: string): boolean {
  // Not like an id either: in a path either of the two may stand.
  return /^[a-z][a-z0-9_-]{0,39}$/.test(text) && !taken.includes(text) && !text.startsWith('ses_')
}

export function isSessionId(text: string): text is SessionId {
  return isId('ses', text)
}

/** WhatsApp minds numbers that send like machines; the sandbox does not. */
export function defaultPacing(engine: Engine): Pacing {
  return engine === 'sandbox'
    ? { gapMs: 0, jitterMs: 0, messagesPerDay: 0 }
    : { gapMs: 3_000, jitterMs: 2_000, messagesPerDay: 0 }
}

/** Throws `conflict` (`session_deleting`). */
export function refuseDeleting(session: Session): void {
  if (session.wanted === 'deleted') throw deleting(session)
}

export function deleting({ name }: Session): AppError {
  return new AppError('conflict', `The session ${name} is being deleted.`, { reason: 'session_deleting' })
}
