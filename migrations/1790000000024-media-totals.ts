import type { QueryRunner } from 'typeorm'
import { createTable } from './create.js'

const Created = createTable('media_totals', (c) => ({
  columns: [c.id('tenant_id'), c.big('files'), c.big('bytes'), c.integer('told')],
  foreignKeys: { fk_media_totals_tenant: [['tenant_id'], 'tenants', ['id'], 'CASCADE'] },
}))

export class MediaTotals1790000000024 extends Created {
  name = 'MediaTotals1790000000024'

  override async up(runner: QueryRunner): Promise<void> {
    await super.up(runner)
    await runner.query(
      `INSERT INTO media_totals (tenant_id, files, bytes, told)
       SELECT tenant_id, COUNT(*), SUM(size), 0 FROM media
       WHERE status = 'stored' AND tenant_id NOT IN (SELECT tenant_id FROM media_totals) GROUP BY tenant_id`,
    )
  }
}
