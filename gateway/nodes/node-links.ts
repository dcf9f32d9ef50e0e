/** One link per node: while this gateway holds its lease, it follows the node's events and hands messages over to it. */
import { randomUUID } from 'node:crypto'
import type { NodeId, SessionId } from '../../proto/contract.js'
import type { NodeClient } from '../../proto/node-client.js'
import type { NodeDirectory } from '../../proto/node-directory.js'
import { AppError } from '../../runtime/app-error.js'
import { type Clock, sleep } from '../../runtime/clock.js'
import type { Service } from '../../runtime/lifecycle.js'
import type { Logger } from '../../runtime/log.js'
import { EventFollower } from './event-follower.js'
import type { EventStoring, Stored } from './event-storing.js'
import type { Lease, NodeCursorRepository } from './node-cursor-repository.js'
import type { NodePresence } from './node-presence.js'
import { SendingPermits } from './sending-permits.js'
import { TakenMessages } from './taken-messages.js'

const LEASE_MS = 10_000
const RENEW_MS = 3_000
/** How soon a node, or a lease of another gateway, is looked at again. */
const LOOK_MS = 500
const BACKOFF_MS = [200, 500, 1_000, 2_000, 5_000]

/** A node that this gateway follows now. */
export interface LiveNode {
  nodeId: NodeId
  client: NodeClient
  /** Of its event log. */
  epoch: string
  taken: TakenMessages
}

export interface NodeLinksOptions {
  directory: Pick<NodeDirectory, 'nodes' | 'find' | 'onChange'>
  cursors: NodeCursorRepository
  storing: EventStoring
  onStored: (stored: Stored) => void
  onLive: (node: LiveNode) => void
  /** Sessions that the node has and that are not its own, or are to be deleted. */
  strays: (nodeId: NodeId, client: NodeClient) => Promise<SessionId[]>
  clock: Clock
  log: Logger
}

export class NodeLinks implements Service, NodePresence {
  private readonly holder = `gw_${randomUUID()}`
  private readonly links = new Map<NodeId, Promise<void>>()
  private readonly live = new Map<NodeId, LiveNode>()
  private readonly heard = new Map<NodeId, number>()
  private stopping = new AbortController()
  private unlisten: () => void = () => undefined

  constructor(private readonly options: NodeLinksOptions) {}

  start(): Promise<void> {
    this.stopping = new AbortController()
    this.unlisten = this.options.directory.onChange(() => this.linkAll())
    this.linkAll()
    return Promise.resolve()
  }

  async stop(): Promise<void> {
    this.unlisten()
    this.stopping.abort()
    await Promise.all(this.links.values())
    this.links.clear()
  }

  lastHeardAt(nodeId: NodeId): number | undefined {
    return this.heard.get(nodeId)
  }

  /** The node, when this gateway follows it and it can be spoken to. */
  liveNode(nodeId: NodeId): LiveNode | undefined {
    return this.live.get(nodeId)
  }

  liveNodes(): LiveNode[] {
    return [...this.live.values()]
  }

  private linkAll(): void {
    for (const { info } of this.options.directory.nodes()) {
      if (!info || this.links.has(info.id)) continue
      this.links.set(info.id, this.link(info.id, this.stopping.signal))
    }
  }

  private async link(nodeId: NodeId, signal: AbortSignal): Promise<void> {
    const { directory, cursors } = this.options
    const log = this.options.log.child({ node: nodeId }, true)
    const failures = new Map<string, number>()
    let failed = 0
    while (!signal.aborted) {
      const node = directory.find(nodeId)
      if (!node?.reachable) {
        await sleep(LOOK_MS, signal)
        continue
      }
      const began = performance.now()
      try {
        const taken = await cursors.acquire(nodeId, this.holder, LEASE_MS)
        if (taken) await this.follow(nodeId, node.client, taken, failures, log, signal)
        else await this.hearFromOther(nodeId, signal)
      } catch (err) {
        if (signal.aborted) return
        // Followed for a while: what broke it is a new trouble.
        if (performance.now() - began > LEASE_MS) failed = 0
        const wait = BACKOFF_MS[Math.min(failed++, BACKOFF_MS.length - 1)] ?? LOOK_MS
        log.warn({ err, retryInMs: wait }, 'node.link_lost')
        await sleep(wait * (0.75 + Math.random() / 2), signal)
      }
    }
  }

  private async follow(
    nodeId: NodeId,
    client: NodeClient,
    { lease, cursor }: NonNullable<Awaited<ReturnType<NodeCursorRepository['acquire']>>>,
    failures: Map<string, number>,
    log: Logger,
    stopping: AbortSignal,
  ): Promise<void> {
    const { storing, onStored, onLive, strays, cursors, clock } = this.options
    const lost = new AbortController()
    const signal = AbortSignal.any([stopping, lost.signal])
    // The first time at once, when the stream stands: the other gateways see by it that the node is heard.
    const live = new AbortController()
    const renewing = this.renew(lease, live.signal, signal).finally(() => lost.abort())
    // Awaited below; until then its failure must not count as unhandled.
    renewing.catch(() => undefined)
    const permits = new SendingPermits({
      strays: () => strays(nodeId, client),
      // Heard by the question, so that nobody gives the node up for as long as the answer holds.
      hold: () => cursors.renew(lease, LEASE_MS, true),
      log,
    })
    const taken = new TakenMessages()
    const follower = new EventFollower({
      storing,
      taken,
      lease,
      cursor,
      failures,
      log,
      onLive: (epoch) => {
        const node = { nodeId, client, epoch, taken }
        this.live.set(nodeId, node)
        this.heard.set(nodeId, clock())
        live.abort()
        log.info({ fence: lease.fence }, 'node.followed')
        onLive(node)
      },
      onQuestion: (asked, answer) => {
        // It asks every few seconds. That the stream stands tells nothing: a node can be gone for a while by then.
        this.heard.set(nodeId, clock())
        permits.answer(asked, answer)
      },
      onStored,
    })
    try {
      await follower.run(client, signal)
    } finally {
      lost.abort()
      this.live.delete(nodeId)
      await renewing.catch((err: unknown) => log.warn({ err }, 'node.lease_not_renewed'))
      await permits.done()
      // Another gateway need not wait until it runs out.
      if (stopping.aborted) {
        const kept = (err: unknown) => log.warn({ err }, 'node.lease_not_released')
        await this.options.cursors.release(lease).catch(kept)
      }
    }
    if (!stopping.aborted) throw new AppError('unavailable', 'The lease was lost.', { reason: 'lease_lost' })
  }

  /** Returns when another gateway took over; throws when the database does not answer for as long as the lease lasts. */
  private async renew(lease: Lease, live: AbortSignal, signal: AbortSignal): Promise<void> {
    let renewedAt = performance.now()
    let told = false
    for (;;) {
      await sleep(RENEW_MS, live.aborted ? signal : AbortSignal.any([live, signal]))
      if (signal.aborted) return
      try {
        // Heard as the stream began; from then on by its questions.
        const heard: boolean = live.aborted && !told
        told ||= heard
        if (!(await this.options.cursors.renew(lease, LEASE_MS, heard))) return
        renewedAt = performance.now()
      } catch (error) {
        if (performance.now() - renewedAt > LEASE_MS - RENEW_MS) throw error
      }
    }
  }

  private async hearFromOther(nodeId: NodeId, signal: AbortSignal): Promise<void> {
    const { cursors, clock } = this.options
    const ago = await cursors.heardAgoMs(nodeId)
    if (ago !== null) this.heard.set(nodeId, clock() - ago)
    await sleep(LOOK_MS, signal)
  }
}
