import { lookup } from 'node:dns/promises'
import { AppError } from '../runtime/app-error.js'
import { sleep } from '../runtime/clock.js'
import type { Service } from '../runtime/lifecycle.js'
import type { Logger } from '../runtime/log.js'
import type { Engine, NodeId, NodeInfo } from './contract.js'
import { nodeInfoFromProto } from './mapping.js'
import { createNodeClient, type NodeClient } from './node-client.js'
import type { ClusterSecurity } from './security.js'

/** A node by its address. `info` is the newest it said of itself; it stays when the node goes away. */
export interface KnownNode {
  target: string
  client: NodeClient
  reachable: boolean
  info?: NodeInfo
  /** Sessions that were given to it and that its `load` may not count yet. */
  placed: number
  /** That it does not answer, and why, is in the log. */
  told?: boolean
}

export interface NodeDirectoryOptions {
  /** `host:port`, or `dns:///name:port` for every address behind a name. */
  targets: string[]
  security: ClusterSecurity
  log: Logger
  pollMs?: number
}

/** Which nodes there are, whether they answer, and where the next session goes. Shared by gateway and bot. */
export class NodeDirectory implements Service {
  private readonly known = new Map<string, KnownNode>()
  private readonly listeners = new Set<() => void>()
  private stopping = new AbortController()
  private loop: Promise<void> = Promise.resolve()

  constructor(private readonly options: NodeDirectoryOptions) {}

  async start(): Promise<void> {
    this.stopping = new AbortController()
    await this.refresh()
    this.loop = this.poll(this.stopping.signal)
  }

  async stop(): Promise<void> {
    this.stopping.abort()
    await this.loop
    for (const node of this.known.values()) node.client.close()
    this.known.clear()
  }

  nodes(): KnownNode[] {
    return [...this.known.values()]
  }

  /** Runs when a node appears, goes away, or comes back. Returns the way to stop listening. */
  onChange(listener: () => void): () => void {
    this.listeners.add(listener)
    return () => this.listeners.delete(listener)
  }

  find(id: NodeId): KnownNode | undefined {
    return this.nodes().find((node) => node.info?.id === id)
  }

  /** The client of a node that answers. Throws `unavailable`. */
  get(id: NodeId): NodeClient {
    const node = this.find(id)
    if (!node?.reachable) {
      throw new AppError('unavailable', 'The session node does not answer.', { reason: 'node_unreachable' })
    }
    return node.client
  }

  /** The reachable, not draining node with the most free capacity. Throws `unavailable`. */
  pick(engine: Engine): KnownNode & { info: NodeInfo } {
    const free = (node: { info: NodeInfo }) => node.info.capacity - node.info.load
    // Many that come at once are spread, too. What was only asked for does not make a node full.
    const left = (node: KnownNode & { info: NodeInfo }) => free(node) - node.placed
    const fit = this.nodes()
      .filter((node): node is KnownNode & { info: NodeInfo } => node.reachable && node.info !== undefined)
      .filter(({ info }) => !info.draining && info.engines.includes(engine))
      .sort((a, b) => left(b) - left(a) || a.info.id.localeCompare(b.info.id))
    if (fit.length === 0) {
      const problem = this.nodes().find((node) => node.reachable && node.info?.browserProblem)?.info?.browserProblem
      throw new AppError('unavailable', problem ?? 'No session node answers.', { reason: 'no_node_available' })
    }
    const best = fit.find((node) => free(node) > 0)
    if (!best) {
      throw new AppError('unavailable', 'All session nodes are full.', { reason: 'no_capacity' })
    }
    best.placed += 1
    return best
  }

  /** One round: asks every node who it is. */
  async refresh(): Promise<void> {
    const targets = await this.resolveTargets()
    for (const [target, node] of this.known) {
      if (targets.has(target)) continue
      this.known.delete(target)
      node.client.close()
    }
    for (const target of targets) {
      if (this.known.has(target)) continue
      const client = createNodeClient(target, this.options.security)
      this.known.set(target, { target, client, reachable: false, placed: 0 })
    }
    const changed = await Promise.all(this.nodes().map((node) => this.ask(node)))
    if (changed.some(Boolean)) for (const listener of this.listeners) listener()
  }

  private async ask(node: KnownNode): Promise<boolean> {
    const before = `${node.reachable} ${node.info?.id} ${node.info?.epoch}`
    const { placed } = node
    try {
      node.info = nodeInfoFromProto(await node.client.call('GetNode', {}, { signal: this.stopping.signal }))
      node.reachable = true
      node.told = false
      node.placed -= placed
    } catch (err) {
      if (this.stopping.signal.aborted) return false
      // Once, also for one that never answered: a wrong token or certificate is told nowhere else.
      if (!node.told) this.options.log.warn({ err, target: node.target, node: node.info?.id }, 'node.unreachable')
      node.told = true
      node.reachable = false
    }
    return before !== `${node.reachable} ${node.info?.id} ${node.info?.epoch}`
  }

  private async resolveTargets(): Promise<Set<string>> {
    const resolved = await Promise.all(
      this.options.targets.map(async (target) => {
        const name = /^dns:\/\/\/(.+):(\d+)$/.exec(target)
        if (!name?.[1]) return [target]
        try {
          const addresses = await lookup(name[1], { all: true })
          return addresses.map(({ address, family }) => `${family === 6 ? `[${address}]` : address}:${name[2]}`)
        } catch (err) {
          this.options.log.warn({ err, target }, 'node.name_not_resolved')
          // Keep what the name meant before: a failing resolver says nothing about the nodes.
          return this.nodes().map((node) => node.target)
        }
      }),
    )
    return new Set(resolved.flat())
  }

  private async poll(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await sleep(this.options.pollMs ?? 2_000, signal)
      if (!signal.aborted) await this.refresh()
    }
  }
}
