import type { Counter, Metrics } from '../../runtime/metrics.js'
import type { MediaTotalsRepository } from './media-totals-repository.js'

export interface MediaMetricsOptions {
  metrics: Metrics
  totals: Pick<MediaTotalsRepository, 'all'>
}

export function addMediaMetrics({ metrics, totals }: MediaMetricsOptions): void {
  metrics.gauges(
    {
      files: { name: 'switchboard_media_files', help: 'Files that are stored, over all tenants.' },
      bytes: { name: 'switchboard_media_bytes', help: 'Bytes of the files that are stored, over all tenants.' },
    },
    async () => {
      const { files, bytes } = await totals.all()
      return { files: [{ value: files }], bytes: [{ value: bytes }] }
    },
  )
}

export const storeOperations = ['put', 'read', 'copy', 'remove', 'list'] as const
export type StoreOperation = (typeof storeOperations)[number]

export function storeFailures(metrics: Metrics): Counter<'operation'> {
  const counter = metrics.counter({
    name: 'switchboard_media_store_failures_total',
    help: 'What the bucket that files are kept in did not do, after all tries.',
    labels: ['operation'],
  })
  for (const operation of storeOperations) counter.inc({ operation }, 0)
  return counter
}
