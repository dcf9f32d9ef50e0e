import type {
  Engine,
  NodeId,
  Pacing,
  SandboxOptions,
  SessionId,
  SessionStatus,
  TenantId,
} from '../../proto/contract.js'
import { required } from '../../proto/mapping.js'
import type { NodeDirectory } from '../../proto/node-directory.js'
import { AppError } from '../../runtime/app-error.js'
import type { Clock } from '../../runtime/clock.js'
import { newId } from '../../runtime/ids.js'
import type { Logger } from '../../runtime/log.js'
import type { Database, Tx } from '../db/database.js'
import { mayUse } from '../http/authenticate.js'
import type { NodePresence } from '../nodes/node-presence.js'
import type { ApiKey } from '../tenants/api-key.js'
import {
  defaultPacing,
  deleting,
  NO_NODE,
  refuseDeleting,
  type Session,
  type SessionPlace,
  SILENCE_MS,
} from './session.js'
import { statusOf } from './session-events.js'
import { isNodeAway, type SessionNode } from './session-node.js'
import { presentSession, type ShownSession } from './session-presenter.js'
import type { SessionRepository } from './session-repository.js'

export interface SessionsOptions {
  db: Database
  repository: SessionRepository
  node: SessionNode
  directory: Pick<NodeDirectory, 'pick'>
  presence: NodePresence
  /** Called in the transaction that makes a session, before. Throws `conflict` when the tenant may have no more. */
  makeRoom: (tx: Tx, tenantId: TenantId, count: () => Promise<number>) => Promise<void>
  /** Called in the transaction that makes a session: the tenant is told. */
  onCreated: (tx: Tx, session: Session) => Promise<void>
  /** Called before a session is deleted, again if that is interrupted: most of what hangs on it goes. */
  onDeleting: (session: Session) => Promise<void>
  /** Called in the transaction that deletes a session, for what hangs on it. */
  onDeleted: (tx: Tx, session: Session) => Promise<void>
  clock: Clock
  /** For how long a node is silent. */
  time: Clock
  log: Logger
}

export interface NewSession {
  name: string
  engine: Engine
  pacing?: Partial<Pacing> | undefined
  sandbox?: SandboxOptions | undefined
  metadata?: Record<string, string> | undefined
  start: boolean
}

/** Sessions as the API sees them. The row is the truth of name, tenant and place; the node's events move its status. */
export class Sessions {
  private readonly builtAt: number

  constructor(private readonly options: SessionsOptions) {
    this.builtAt = options.time()
  }

  /**
   * The row stands before anything starts. When the node goes away in between, the session starts once it is back.
   * Throws `conflict` (`session_exists`, `session_limit_reached`) and `unavailable` (`no_node_available`, `no_capacity`). `also` in the transaction
   * that stores the row.
   */
  async create(
    tenantId: TenantId,
    wanted: NewSession,
    also?: (tx: Tx, session: Session) => Promise<void>,
  ): Promise<Session> {
    const { repository, directory, clock, log } = this.options
    if (await repository.findLive(tenantId, wanted.name)) {
      throw new AppError('conflict', `There is a session called '${wanted.name}' already.`, {
        reason: 'session_exists',
      })
    }
    const { info } = directory.pick(wanted.engine)
    const now = new Date(clock())
    const session: Session = {
      id: newId('ses'),
      tenantId,
      name: wanted.name,
      liveName: wanted.name,
      engine: wanted.engine,
      nodeId: info.id,
      wanted: wanted.start ? 'running' : 'stopped',
      status: 'created',
      // What tells it from one that was made to be started later.
      reason: wanted.start ? 'starting' : null,
      detail: null,
      phone: null,
      lid: null,
      pushName: null,
      pacing: { ...defaultPacing(wanted.engine), ...wanted.pacing },
      sandbox: wanted.sandbox ?? null,
      metadata: wanted.metadata ?? null,
      changedAt: now,
      connectedAt: null,
      createdAt: now,
      deletedAt: null,
    }
    await repository.add(
      session,
      (tx) => this.options.makeRoom(tx, tenantId, () => repository.count(tx, tenantId)),
      async (tx) => {
        await this.options.onCreated(tx, session)
        await also?.(tx, session)
      },
    )
    log.info({ session: session.id, tenant: tenantId, node: info.id, engine: session.engine }, 'session.created')
    return this.begin(session)
  }

  /** Starts a session that was just made, if it is wanted running. Does nothing once it has begun. */
  async begin(session: Session): Promise<Session> {
    const { repository, log } = this.options
    if (session.wanted !== 'running' || session.status !== 'created') return session
    try {
      return await this.startNow(session)
    } catch (err) {
      if (!isNodeAway(err)) {
        await repository.forget(session.id)
        throw err
      }
      log.warn({ err, session: session.id }, 'session.start_delayed')
      return this.reread(session)
    }
  }

  /** Throws `not_found`, also for one that this key is not for. */
  async get(tenantId: TenantId, ref: string, key?: ApiKey): Promise<Session> {
    return usableBy(key, await this.options.repository.findLive(tenantId, ref))
  }

  /** `get` as it was a second ago at most, for what is asked for with every message. */
  async recent(tenantId: TenantId, ref: string, key?: ApiKey): Promise<Session> {
    return usableBy(key, await this.options.repository.findRecent(tenantId, ref))
  }

  /** Deleted ones too: their messages stay. */
  find(id: SessionId): Promise<Session | null> {
    return this.options.repository.find(id)
  }

  /** Deleted ones too. */
  findAll(ids: readonly SessionId[]): Promise<Session[]> {
    return this.options.repository.findAll(ids)
  }

  /** Deleted ones too. */
  placesOf(ids: readonly SessionId[]): Promise<SessionPlace[]> {
    return this.options.db.read((reader) => this.options.repository.placesOf(reader, ids))
  }

  /** All of a tenant, also the ones being deleted. */
  existing(tenantId: TenantId): Promise<Session[]> {
    return this.options.repository.ofTenant(tenantId)
  }

  async list(
    tenantId: TenantId,
    filter: { status?: SessionStatus | undefined; key: ApiKey },
    page: { limit: number; after: string | undefined },
  ): Promise<Session[]> {
    const { repository } = this.options
    const { status, key } = filter
    const silentNodes =
      status === undefined ? [] : (await repository.nodesOf(tenantId)).filter((id) => this.isSilent(id))
    const ids = key.sessions.includes('*') ? undefined : key.sessions
    return repository.list(tenantId, { status, silentNodes, ids }, page)
  }

  /** Starts what is not running; `restart` ends it first. */
  async start(session: Session, options: { restart?: boolean } = {}): Promise<Session> {
    refuseDeleting(session)
    const started = await this.startNow(session, options)
    await this.want(session, 'running')
    return { ...started, wanted: 'running' }
  }

  async stop(session: Session): Promise<Session> {
    return this.end(session, 'stopped')
  }

  /** Unlinks the number and removes its profile. */
  async logout(session: Session): Promise<Session> {
    return this.end(session, 'logged_out')
  }

  async change(session: Session, change: Partial<Pick<Session, 'pacing' | 'metadata'>>): Promise<Session> {
    const { db, repository, node, log } = this.options
    refuseDeleting(session)
    await db.write((tx) => repository.update(tx, session.id, change))
    if (change.pacing) {
      await node.setPacing(session, change.pacing).catch((err: unknown) => {
        // The reconciler tells the node once it answers.
        if (!isNodeAway(err)) throw err
        log.warn({ err, session: session.id }, 'session.pacing_delayed')
      })
    }
    return { ...session, ...change }
  }

  /** Answers false when the node is away: recorded, and done once it answers; the name is free only then. */
  async delete(session: Session): Promise<boolean> {
    const { repository, node, log } = this.options
    await repository.wantDeleted(session.id)
    try {
      if (session.nodeId !== NO_NODE) await node.delete(session)
    } catch (err) {
      if (!isNodeAway(err)) throw err
      log.warn({ err, session: session.id }, 'session.delete_delayed')
      return false
    }
    await this.deleted(session)
    return true
  }

  /** The node has forgotten the session: now the row may. */
  async deleted(session: Session): Promise<void> {
    const { db, repository, onDeleting, onDeleted, clock, log } = this.options
    await onDeleting(session)
    await db.write(async (tx) => {
      if (await repository.markDeleted(tx, session.id, new Date(clock()))) await onDeleted(tx, session)
    })
    log.info({ session: session.id, tenant: session.tenantId }, 'session.deleted')
  }

  isSilent(nodeId: NodeId): boolean {
    const { presence, time } = this.options
    return time() - (presence.lastHeardAt(nodeId) ?? this.builtAt) > SILENCE_MS
  }

  shown(session: Session): ShownSession {
    return presentSession(session, this.isSilent(session.nodeId))
  }

  private async startNow(wanted: Session, options: { restart?: boolean } = {}): Promise<Session> {
    const session = wanted.nodeId === NO_NODE ? await this.placeAnew(wanted) : wanted
    const told = await this.options.node.start(session, options)
    // The row follows the events; this is for who asks in the moment until they have come.
    await this.options.repository.updateStatus(session.id, session.changedAt, statusOf(told))
    const newest = await this.options.repository.find(session.id)
    if (newest && newest.wanted !== 'deleted') return newest
    // Deleted in this very moment: the node had forgotten it by then, and must again.
    await this.options.node.delete(session)
    throw deleting(session)
  }

  /** On another node than the one that was given up. */
  private async placeAnew(session: Session): Promise<Session> {
    const { db, repository, node, directory, log } = this.options
    const { info } = directory.pick(session.engine)
    // It may be the node that was given up, come back: what became of its messages was decided meanwhile.
    await node.giveAway(info.id, session.id)
    await db.write(async (tx) => {
      const newest = await repository.findIn(tx, session.id)
      if (newest?.nodeId === NO_NODE) await repository.update(tx, session.id, { nodeId: info.id })
    })
    log.info({ session: session.id, node: info.id }, 'session.placed_anew')
    return this.reread(session)
  }

  private async end(session: Session, wanted: 'stopped' | 'logged_out'): Promise<Session> {
    const { node, repository, clock } = this.options
    refuseDeleting(session)
    // Its node was given up: nothing runs, and it is logged out already.
    if (session.nodeId === NO_NODE) return session
    // Asked first and recorded after: when the node is away nothing changes, and the caller is told so.
    const told = await (wanted === 'stopped' ? node.stop(session) : node.logout(session))
    await this.want(session, wanted)
    const reason = wanted === 'stopped' ? 'stopped_by_request' : 'logged_out_by_request'
    const change = told ? statusOf(told) : { status: wanted, reason, detail: null, changedAt: new Date(clock()) }
    await repository.updateStatus(session.id, session.changedAt, change)
    return this.reread(session)
  }

  private async want(session: Session, wanted: 'running' | 'stopped' | 'logged_out'): Promise<void> {
    refuseDeleting(session)
    if (!(await this.options.repository.want(session.id, wanted))) refuseDeleting({ ...session, wanted: 'deleted' })
  }

  private async reread(session: Session): Promise<Session> {
    return required(await this.options.repository.find(session.id), 'session')
  }
}

function usableBy(key: ApiKey | undefined, session: Session | null): Session {
  if (!session || (key && !mayUse(key, session.id))) {
    throw new AppError('not_found', 'There is no such session.', { reason: 'session_not_found' })
  }
  return session
}
