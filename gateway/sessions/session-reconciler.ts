import type { NodeId, NodeSession, SessionId, TenantId } from '../../proto/contract.js'
import type { NodeClient } from '../../proto/node-client.js'
import type { KnownNode, NodeDirectory } from '../../proto/node-directory.js'
import { sleep } from '../../runtime/clock.js'
import type { Service } from '../../runtime/lifecycle.js'
import type { Logger } from '../../runtime/log.js'
import { liveStatuses, type Session } from './session.js'
import type { SessionNode } from './session-node.js'
import type { SessionRepository } from './session-repository.js'
import type { Sessions } from './sessions.js'

export interface SessionReconcilerOptions {
  directory: Pick<NodeDirectory, 'nodes' | 'onChange'>
  repository: SessionRepository
  sessions: Sessions
  node: SessionNode
  log: Logger
  roundMs?: number
}

/** Makes the nodes know what the rows say, for what could not be told them at the time. */
export class SessionReconciler implements Service {
  private stopping = new AbortController()
  private loop: Promise<void> = Promise.resolve()
  private wake = new AbortController()
  /** Strays that their nodes were told of, also those that do not run. */
  private readonly givenAway = new Map<NodeId, Set<SessionId>>()
  private unlisten = () => {}

  constructor(private readonly options: SessionReconcilerOptions) {}

  async start(): Promise<void> {
    this.stopping = new AbortController()
    this.unlisten = this.options.directory.onChange(() => this.wake.abort())
    this.loop = this.rounds(this.stopping.signal)
  }

  async stop(): Promise<void> {
    this.unlisten()
    this.stopping.abort()
    await this.loop
  }

  /** Sessions that the node has and the rows place elsewhere, or want deleted. It must not send for them. */
  async strays(nodeId: NodeId, client: NodeClient): Promise<SessionId[]> {
    // In this order: a row stands before its node hears of the session.
    const there = await this.options.node.list(client)
    const rows = await this.options.repository.ofNode(nodeId)
    const own = new Set(rows.filter(({ wanted }) => wanted !== 'deleted').map(({ id }) => id))
    return [...there.keys()].filter((id) => !own.has(id))
  }

  /** What nodes in reach still have of a tenant that is being deleted, whose sessions are all gone. */
  async clear(tenantId: TenantId): Promise<void> {
    for (const { reachable, client } of this.options.directory.nodes()) {
      if (!reachable) continue
      const there = await this.options.node.list(client)
      for (const session of there.values()) {
        if (session.tenantId === tenantId) await client.call('DeleteSession', { sessionId: session.id })
      }
    }
  }

  /** One round over all nodes that answer. */
  async reconcile(): Promise<void> {
    const reachable = this.options.directory.nodes().filter(({ reachable }) => reachable)
    await Promise.all(
      reachable.map((node) =>
        this.reconcileNode(node).catch((err: unknown) =>
          this.options.log.warn({ err, node: node.info?.id }, 'sessions.not_reconciled'),
        ),
      ),
    )
  }

  private async reconcileNode({ info, client }: KnownNode): Promise<void> {
    if (!info) return
    const { repository, node, log } = this.options
    const there = await node.list(client)
    const rows = await repository.ofNode(info.id)
    for (const row of rows) {
      if (this.stopping.signal.aborted) return
      await this.reconcileSession(row, there.get(row.id)).catch((err: unknown) =>
        log.warn({ err, session: row.id }, 'session.not_reconciled'),
      )
    }
    const own = new Set(rows.map(({ id }) => id))
    for (const id of own) this.givenAway.get(info.id)?.delete(id)
    for (const known of there.values()) {
      if (this.stopping.signal.aborted) return
      if (!own.has(known.id)) await this.settleStray(known, info.id, client)
    }
  }

  private async reconcileSession(row: Session, known: NodeSession | undefined): Promise<void> {
    const { node, sessions, log } = this.options
    if (row.wanted === 'deleted') {
      await node.delete(row)
      return sessions.deleted(row)
    }
    if (row.wanted === 'running' && !known) {
      log.info({ session: row.id, node: row.nodeId }, 'session.started_again')
      await node.start(row)
      // Deleted in this very moment: the node had forgotten it by then.
      const newest = await this.options.repository.find(row.id)
      if (newest && newest.wanted !== 'deleted') return
      await node.delete(row)
    }
    if (known && !samePacing(row, known)) await node.setPacing(row, row.pacing)
  }

  /** A session that the node has and the row places elsewhere, or that is deleted. */
  private async settleStray(known: NodeSession, nodeId: NodeId, client: KnownNode['client']): Promise<void> {
    const { repository, node, log } = this.options
    const row = await repository.find(known.id)
    if (!row) return
    if (row.deletedAt !== null) {
      await client.call('DeleteSession', { sessionId: known.id })
      return
    }
    const told = this.givenAway.get(nodeId) ?? new Set()
    if (row.nodeId === nodeId || (told.has(known.id) && !liveStatuses.includes(known.status))) return
    log.warn({ session: known.id, node: nodeId, placedOn: row.nodeId }, 'session.stray_stopped')
    await node.giveAway(nodeId, known.id)
    this.givenAway.set(nodeId, told.add(known.id))
    // Placed here in this very moment: the stop was meant for what it was before.
    const newest = await repository.find(known.id)
    if (newest?.nodeId === nodeId && newest.wanted === 'running') await node.start(newest)
  }

  private async rounds(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      this.wake = new AbortController()
      await this.reconcile().catch((err: unknown) => this.options.log.warn({ err }, 'sessions.not_reconciled'))
      await sleep(this.options.roundMs ?? 5_000, AbortSignal.any([signal, this.wake.signal]))
    }
  }
}

function samePacing({ pacing: a }: Session, { pacing: b }: NodeSession): boolean {
  return a.gapMs === b.gapMs && a.jitterMs === b.jitterMs && a.messagesPerDay === b.messagesPerDay
}
