import type {
  Engine,
  NodeId,
  Pacing,
  SandboxOptions,
  SessionId,
  SessionStatus,
  TenantId,
} from '../../proto/contract.js'
import { isId } from '../../runtime/ids.js'

/** What was asked for last. The node, and the reconciler when the node was away, make it so. */
export type Wanted = 'running' | 'stopped' | 'logged_out' | 'deleted'

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
  /** Of the newest event of this session. */
  sequence: number
  changedAt: Date
  connectedAt: Date | null
  createdAt: Date
  deletedAt: Date | null
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
