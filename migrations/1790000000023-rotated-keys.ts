import { type MigrationInterface, type QueryRunner, TableIndex } from 'typeorm'
import { addColumns } from './create.js'
import { nullable } from './columns.js'

const index = new TableIndex({ name: 'ix_api_keys_old_lookup', columnNames: ['old_lookup'] })

/** A rotated key is good by its old text, too, for a while. */
export class RotatedKeys1790000000023
  extends addColumns('api_keys', (c) => [
    c.word('old_lookup', 16, nullable),
    c.word('old_hash', 64, nullable),
    c.time('old_until', nullable),
  ])
  implements MigrationInterface
{
  name = 'RotatedKeys1790000000023'

  override async up(runner: QueryRunner): Promise<void> {
    await super.up(runner)
    const table = await runner.getTable('api_keys')
    if (!table?.indices.some(({ name }) => name === index.name)) await runner.createIndex('api_keys', index)
  }

  override async down(runner: QueryRunner): Promise<void> {
    const table = await runner.getTable('api_keys')
    if (table?.indices.some(({ name }) => name === index.name)) await runner.dropIndex('api_keys', index)
    await super.down(runner)
  }
}
