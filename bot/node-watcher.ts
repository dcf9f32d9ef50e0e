import type { Cursor, NodeEvent, NodeId, NodeSession, QrShown, WatchItem } from '../proto/contract.js'
import type { KnownNode, NodeDirectory } from '../proto/node-directory.js'
import { sleep } from '../runtime/clock.js'
import type { Service } from '../runtime/lifecycle.js'
import type { Logger } from '../runtime/log.js'
import type { BotState } from './bot-state.js'

/** Where what nodes report goes. */
export interface NodeSink {
  snapshot(node: NodeId, sessions: NodeSession[], qrs: QrShown[]): void
  qr(qr: QrShown): void
  /** True when something was written down; the position is then saved in the same transaction. */
  event(node: NodeId, event: NodeEvent): boolean
  /** The stream of a node ended. A snapshot follows when it is back. */
  lost(node: NodeId): void
}

const FIRST_RETRY_MS = 250
const LAST_RETRY_MS = 5_000
/** Positions of events that concern nobody are saved this often: reading those again does no harm. */
const SAVE_MS = 1_000

/** One live stream per node, from where the bot stopped reading, for as long as the node is in the directory. */
export class NodeWatcher implements Service {
  private readonly streams = new Map<string, { ended: AbortController; loop: Promise<void> }>()
  private readonly unsaved = new Map<NodeId, Cursor>()
  private stopListening: () => void = () => undefined
  private saving: NodeJS.Timeout | undefined

  constructor(
    private readonly directory: NodeDirectory,
    private readonly state: BotState,
    private readonly sink: NodeSink,
    private readonly log: Logger,
  ) {}

  start(): Promise<void> {
    this.stopListening = this.directory.onChange(() => this.match())
    this.saving = setInterval(() => this.save(), SAVE_MS)
    this.match()
    return Promise.resolve()
  }

  async stop(): Promise<void> {
    this.stopListening()
    clearInterval(this.saving)
    const streams = [...this.streams.values()]
    this.streams.clear()
    for (const { ended } of streams) ended.abort()
    await Promise.all(streams.map(({ loop }) => loop))
    this.save()
  }

  /** Watches the nodes of the directory, and no others. */
  private match(): void {
    const nodes = this.directory.nodes()
    for (const [target, { ended }] of this.streams) {
      if (nodes.some((node) => node.target === target)) continue
      this.streams.delete(target)
      ended.abort()
    }
    for (const node of nodes) {
      if (this.streams.has(node.target) || !node.info) continue
      const ended = new AbortController()
      this.streams.set(node.target, { ended, loop: this.follow(node, ended.signal) })
    }
  }

  private async follow(node: KnownNode, signal: AbortSignal): Promise<void> {
    let retryMs = FIRST_RETRY_MS
    while (!signal.aborted) {
      const id = node.info?.id
      if (!id) return
      try {
        const from = this.unsaved.get(id) ?? this.state.cursorOf(id)
        for await (const item of node.client.watch({ ...(from ? { from } : {}), signal })) {
          retryMs = FIRST_RETRY_MS
          this.take(id, item)
        }
      } catch (err) {
        this.log.warn({ err, node: id, target: node.target, retryMs }, 'node.stream_lost')
      }
      if (signal.aborted) return
      this.sink.lost(id)
      await sleep(retryMs, signal)
      retryMs = Math.min(retryMs * 2, LAST_RETRY_MS)
    }
  }

  private take(node: NodeId, item: WatchItem): void {
    switch (item.kind) {
      case 'snapshot': {
        // The first time, what happened before is nobody's news.
        if (!this.state.cursorOf(node)) this.state.saveCursor(node, item.cursor)
        return this.sink.snapshot(node, item.sessions, item.qrs)
      }
      case 'qr':
        return this.sink.qr(item.qr)
      case 'event':
        return this.takeEvent(node, item.event)
      case 'heartbeat':
        return
    }
  }

  private takeEvent(node: NodeId, event: NodeEvent): void {
    const { epoch, position } = event
    const seen = this.unsaved.get(node) ?? this.state.cursorOf(node)
    if (seen?.epoch === epoch && position <= seen.position) return
    try {
      this.state.transaction(() => {
        if (!this.sink.event(node, event)) return this.unsaved.set(node, { epoch, position })
        this.unsaved.delete(node)
        this.state.saveCursor(node, { epoch, position })
      })
    } catch (err) {
      // One event that cannot be used must not hold up those behind it.
      this.log.error({ err, node, epoch, position, kind: event.body.kind }, 'event.not_used')
      this.unsaved.set(node, { epoch, position })
    }
  }

  private save(): void {
    if (this.unsaved.size === 0) return
    this.state.transaction(() => {
      for (const [node, cursor] of this.unsaved) this.state.saveCursor(node, cursor)
    })
    this.unsaved.clear()
  }
}
