/** Copies the files of incoming messages from their nodes, and tells the nodes which ones they need not keep. */
import type { NodeId } from '../../proto/contract.js'
import { sleep } from '../../runtime/clock.js'
import type { Service } from '../../runtime/lifecycle.js'
import type { Logger } from '../../runtime/log.js'
import { toAppError } from '../../runtime/app-error.js'
import type { NodeClient } from '../../proto/node-client.js'
import type { MediaId } from '../messages/message.js'
import { isOverQuota, type MediaQuota } from './media-quota.js'
import type { MediaRepository } from './media-repository.js'
import type { MediaRow } from './media-table.js'
import type { NodeMedia } from './node-media.js'

const ROUND_MS = 5_000
const AT_ONCE = 4
const MOST_PER_ROUND = 40
const RETRY_MS = 15_000
/** Room may also come by a higher limit. */
const ROOM_MS = 60_000
/** Why a file stays on its node. */
const NO_ROOM = 'media_quota_exceeded'

export interface MediaCopierOptions {
  media: Pick<NodeMedia, 'fetched'>
  quota: Pick<MediaQuota, 'state'>
  repository: MediaRepository
  /** Nodes that this gateway follows. */
  liveNodes: () => { nodeId: NodeId; client: NodeClient }[]
  log: Logger
}

export class MediaCopier implements Service {
  private readonly restUntil = new Map<MediaId, number>()
  private stopping = new AbortController()
  private waking = new AbortController()
  private loop: Promise<void> = Promise.resolve()
  private roomAt = 0

  constructor(private readonly options: MediaCopierOptions) {}

  start(): Promise<void> {
    this.stopping = new AbortController()
    this.loop = this.rounds(this.stopping.signal)
    return Promise.resolve()
  }

  async stop(): Promise<void> {
    this.stopping.abort()
    await this.loop
  }

  /** There are files to copy. */
  wake(): void {
    this.waking.abort()
  }

  /** Files were removed: what waited for room may have some. */
  wakeFreed(): void {
    this.roomAt = 0
    this.wake()
  }

  /** One round over all nodes that this gateway follows. */
  async copyDue(): Promise<void> {
    if (performance.now() >= this.roomAt) await this.findRoom()
    for (const node of this.options.liveNodes()) await this.copyFrom(node)
  }

  private async findRoom(): Promise<void> {
    const { repository, quota } = this.options
    this.roomAt = performance.now() + ROOM_MS
    for (const { tenantId, smallest } of await repository.waiting(NO_ROOM)) {
      const { bytes, limit } = await quota.state(tenantId)
      const room = limit === null ? Number.MAX_SAFE_INTEGER : limit - bytes
      if (room >= smallest) await repository.wakeWaiting(tenantId, NO_ROOM, room)
    }
  }

  private async copyFrom({ nodeId, client }: { nodeId: NodeId; client: NodeClient }): Promise<void> {
    for (;;) {
      const now = performance.now()
      for (const [id, until] of this.restUntil) if (until < now) this.restUntil.delete(id)
      const resting = [...this.restUntil.keys()].slice(0, 1_000)
      const rows = await this.options.repository.pendingOn(nodeId, MOST_PER_ROUND, resting)
      const copied: string[] = []
      for (let at = 0; at < rows.length && !this.stopping.signal.aborted; at += AT_ONCE) {
        const some = await Promise.all(rows.slice(at, at + AT_ONCE).map((row) => this.copy(row)))
        copied.push(...some.flatMap((sha256) => sha256 ?? []))
      }
      await this.confirm(client, nodeId, [...new Set(copied)])
      if (rows.length < MOST_PER_ROUND || this.stopping.signal.aborted) return
    }
  }

  /** The node need not keep these, unless another message with the same file still waits for room. */
  private async confirm(client: NodeClient, nodeId: NodeId, copied: readonly string[]): Promise<void> {
    const awaited = await this.options.repository.awaitedOn(nodeId, copied)
    const sha256 = copied.filter((hash) => !awaited.has(hash))
    if (sha256.length > 0) await client.call('ConfirmMedia', { sha256 })
  }

  /** The hash of a file that came in and is here now. */
  private async copy(row: MediaRow): Promise<string | null> {
    try {
      await this.options.media.fetched(row)
      return row.direction === 'in' ? row.sha256 : null
    } catch (err) {
      // A file that is gone has been marked so; the others are tried again.
      if (toAppError(err).code === 'gone') return null
      if (isOverQuota(err)) {
        await this.options.repository.markWaiting(row.id, NO_ROOM)
        this.options.log.info({ media: row.id, tenant: row.tenantId, size: row.size }, 'media.no_room')
        return null
      }
      this.restUntil.set(row.id, performance.now() + RETRY_MS)
      this.options.log.warn({ err, media: row.id, node: row.nodeId }, 'media.not_copied')
      return null
    }
  }

  private async rounds(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      this.waking = new AbortController()
      const either = AbortSignal.any([signal, this.waking.signal])
      await this.copyDue().catch((err: unknown) => this.options.log.warn({ err }, 'media.round_failed'))
      await sleep(ROUND_MS, either)
    }
  }
}
