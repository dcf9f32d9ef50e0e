import type { TenantId } from '../../proto/contract.js'
import { Table } from '../db/table.js'

/** What a tenant has stored. */
export interface MediaTotalsRow {
  tenantId: TenantId
  files: number
  bytes: number
  /** Of its limit it has heard: 0 nothing, 1 that it is near, 2 that it is reached. */
  told: number
}

export const mediaTotalsTable = new Table<MediaTotalsRow>('media_totals', (c) => ({
  columns: {
    tenantId: c.id('tenant_id'),
    files: c.big('files'),
    bytes: c.big('bytes'),
    told: c.integer('told'),
  },
  foreignKeys: { fk_media_totals_tenant: [['tenantId'], 'tenants', ['id'], 'CASCADE'] },
}))
