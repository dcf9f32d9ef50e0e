import { explain } from '../../proto/reasons.js'
import { NO_NODE, shownStatus, type Session } from './session.js'

/** The public shape of a session. Fields are added here on purpose, never by accident. */
export interface ShownSession {
  id: string
  name: string
  engine: string
  status: string
  reason?: string
  detail?: string
  phone?: string
  lid?: string
  pushName?: string
  node?: string
  pacing: Session['pacing']
  sandbox?: NonNullable<Session['sandbox']>
  metadata?: Record<string, string>
  createdAt: string
  connectedAt?: string
}

export function presentSession(session: Session, nodeIsSilent: boolean): ShownSession {
  const { status, reason, detail } = shownStatus(session, nodeIsSilent)
  const said = detail ?? (reason === null ? null : explain(reason))
  return {
    id: session.id,
    name: session.name,
    engine: session.engine,
    status,
    ...(reason === null ? {} : { reason }),
    ...(said === null ? {} : { detail: said }),
    ...(session.phone === null ? {} : { phone: `+${session.phone}` }),
    ...(session.lid === null ? {} : { lid: session.lid }),
    ...(session.pushName === null ? {} : { pushName: session.pushName }),
    ...(session.nodeId === NO_NODE ? {} : { node: session.nodeId }),
    pacing: session.pacing,
    ...(session.sandbox === null ? {} : { sandbox: session.sandbox }),
    ...(session.metadata === null ? {} : { metadata: session.metadata }),
    createdAt: session.createdAt.toISOString(),
    ...(session.connectedAt === null || status !== 'connected'
      ? {}
      : { connectedAt: session.connectedAt.toISOString() }),
  }
}
