import type { NodeId, NodeSession, Pacing, SessionId } from '../../proto/contract.js'
import { required, sessionFromProto } from '../../proto/mapping.js'
import { explain } from '../../proto/reasons.js'
import type { NodeClient } from '../../proto/node-client.js'
import type { NodeDirectory } from '../../proto/node-directory.js'
import { AppError } from '../../runtime/app-error.js'
import { NO_NODE, type Session } from './session.js'

/** What a session's node is asked to do with it. All throw `unavailable` or `timeout` when it does not answer. */
export class SessionNode {
  constructor(private readonly directory: Pick<NodeDirectory, 'get'>) {}

  /** Throws `not_ready` (`node_lost`) for a session that has no node. */
  client(nodeId: NodeId): NodeClient {
    if (nodeId === NO_NODE) throw new AppError('not_ready', explain('node_lost'), { reason: 'node_lost' })
    return this.directory.get(nodeId)
  }

  async start(session: Session, { restart = false } = {}): Promise<NodeSession> {
    const { id, tenantId, name, engine, pacing, sandbox } = session
    const answer = await this.client(session.nodeId).call('StartSession', {
      sessionId: id,
      tenantId,
      name,
      engine,
      pacing,
      sandbox,
      restart,
    })
    return told(answer)
  }

  /** Undefined when the node does not know the session. */
  stop({ nodeId, id }: Session): Promise<NodeSession | undefined> {
    return unlessUnknown(async () => told(await this.client(nodeId).call('StopSession', { sessionId: id })))
  }

  /** A node that had the session before has nothing left to send of it. */
  async giveAway(nodeId: NodeId, id: SessionId): Promise<void> {
    await unlessUnknown(() => this.client(nodeId).call('StopSession', { sessionId: id, placedElsewhere: true }))
  }

  logout({ nodeId, id }: Session): Promise<NodeSession | undefined> {
    return unlessUnknown(async () => told(await this.client(nodeId).call('LogoutSession', { sessionId: id })))
  }

  async delete({ nodeId, id }: Session): Promise<void> {
    await this.client(nodeId).call('DeleteSession', { sessionId: id })
  }

  async setPacing({ nodeId, id }: Session, pacing: Pacing): Promise<void> {
    await unlessUnknown(() => this.client(nodeId).call('UpdateSession', { sessionId: id, pacing }))
  }

  async list(client: NodeClient): Promise<Map<SessionId, NodeSession>> {
    const { sessions } = await client.call('ListSessions', {})
    return new Map(sessions.map(sessionFromProto).map((session) => [session.id, session]))
  }
}

function told(answer: { session: Parameters<typeof sessionFromProto>[0] | null }): NodeSession {
  return sessionFromProto(required(answer.session, 'session'))
}

async function unlessUnknown<Result>(call: () => Promise<Result>): Promise<Result | undefined> {
  try {
    return await call()
  } catch (error) {
    if (error instanceof AppError && error.code === 'not_found') return undefined
    throw error
  }
}

/** True when a call may have been carried out although it failed, or may be later. */
export function isNodeAway(error: unknown): boolean {
  return error instanceof AppError && (error.code === 'unavailable' || error.code === 'timeout')
}
