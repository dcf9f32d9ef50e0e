import type { MigrationInterface, QueryRunner } from 'typeorm'

/** The tenant that is there from the start, so that a single user never meets the word. The same id everywhere. */
const ID = 'ten_00000000000000000000000001'

export class DefaultTenant1790000000003 implements MigrationInterface {
  name = 'DefaultTenant1790000000003'

  async up(runner: QueryRunner): Promise<void> {
    // Raw, because a migration knows no entities; both databases read these statements the same.
    const there: unknown[] = await runner.query('SELECT id FROM tenants WHERE id = ?', [ID])
    if (there.length > 0) return
    const now = new Date().toISOString().replace('T', ' ').replace('Z', '')
    await runner.query('INSERT INTO tenants (id, name, status, limits, created_at) VALUES (?, ?, ?, ?, ?)', [
      ID,
      'default',
      'active',
      '{}',
      now,
    ])
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DELETE FROM tenants WHERE id = ?', [ID])
  }
}
