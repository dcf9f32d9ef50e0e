/** Files, put together: where they arrive, where they are kept, how much of them, and how they get to nodes and back. */
import { join } from 'node:path'
import type { NodeId, TenantId } from '../../proto/contract.js'
import type { NodeClient } from '../../proto/node-client.js'
import type { Clock } from '../../runtime/clock.js'
import { inOrder, type Service } from '../../runtime/lifecycle.js'
import type { Logger } from '../../runtime/log.js'
import type { Metrics } from '../../runtime/metrics.js'
import type { Database, Tx } from '../db/database.js'
import type { NewEvent } from '../events/event.js'
import type { GuardedClient } from '../http/guarded-client.js'
import type { MediaId } from '../messages/message.js'
import type { TenantLimits } from '../tenants/tenant.js'
import { IncomingFiles } from './incoming-files.js'
import { LocalMediaStore } from './local-media-store.js'
import { Media } from './media.js'
import { MediaCopier } from './media-copier.js'
import { addMediaMetrics, storeFailures } from './media-metrics.js'
import { MediaQuota } from './media-quota.js'
import { MediaRepository } from './media-repository.js'
import { MediaSources } from './media-sources.js'
import type { MediaStore } from './media-store.js'
import { MediaTotalsRepository } from './media-totals-repository.js'
import { NodeMedia } from './node-media.js'
import { S3MediaStore, type S3Settings } from './s3-media-store.js'

export interface MediaPartsOptions {
  db: Database
  dataDir: string
  /** Where files are kept; in `dataDir` unless given. */
  s3: S3Settings | undefined
  guarded: GuardedClient
  /** Throws `unavailable`. */
  nodeClient: (nodeId: NodeId) => NodeClient
  /** Nodes that this gateway follows. */
  liveNodes: () => { nodeId: NodeId; client: NodeClient }[]
  limits: (tenantId: TenantId) => Promise<Pick<TenantLimits, 'mediaBytes'>>
  isToBeSent: (tenantId: TenantId, id: MediaId) => Promise<boolean>
  addEvents: (tx: Tx, events: readonly NewEvent[], now: number) => Promise<unknown>
  /** Events were stored. */
  onTold: () => void
  metrics: Metrics
  clock: Clock
  log: Logger
}

export interface MediaParts {
  repository: MediaRepository
  quota: MediaQuota
  incoming: IncomingFiles
  store: MediaStore
  nodes: NodeMedia
  media: Media
  copier: MediaCopier
  /** Where files are; the copier starts once there are nodes. */
  files: Service
}

export function createMedia(options: MediaPartsOptions): MediaParts {
  const { db, dataDir, s3, guarded, nodeClient, metrics, clock, log } = options
  const folder = join(dataDir, 'media')
  const repository = new MediaRepository(db)
  const incoming = new IncomingFiles(folder)
  const store = s3 ? bucket(s3, options) : new LocalMediaStore(folder)
  const totals = new MediaTotalsRepository(db)
  addMediaMetrics({ metrics, totals })
  const quota = new MediaQuota({
    ...{ db, clock },
    repository: totals,
    limits: options.limits,
    addEvents: options.addEvents,
    onTold: options.onTold,
    onFreed: () => copier.wakeFreed(),
  })
  const nodes = new NodeMedia({ db, repository, quota, store, incoming, nodeClient, log })
  const copier = new MediaCopier({ media: nodes, quota, repository, liveNodes: options.liveNodes, log })
  const media = new Media({
    ...{ db, repository, quota, store, incoming, nodes, clock },
    sources: new MediaSources(guarded, incoming),
    isToBeSent: options.isToBeSent,
  })
  return { repository, quota, incoming, store, nodes, media, copier, files: inOrder(incoming, store) }
}

function bucket(settings: S3Settings, { metrics, log }: MediaPartsOptions): MediaStore {
  const failures = storeFailures(metrics)
  return new S3MediaStore(settings, log, (operation) => failures.inc({ operation }))
}
