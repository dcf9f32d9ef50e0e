import type { MigrationInterface, QueryRunner } from 'typeorm'
import { dialectOf } from './columns.js'

/**
 * Every column names its own collation; this is for what somebody adds by hand. Without it MariaDB makes latin1 tables
 * and compares without regard to case.
 */
export class Database1790000000001 implements MigrationInterface {
  name = 'Database1790000000001'

  async up(runner: QueryRunner): Promise<void> {
    if (dialectOf(runner) === 'sqlite') return
    // Raw, because the Table API knows no databases.
    await runner.query('ALTER DATABASE CHARACTER SET utf8mb4 COLLATE utf8mb4_bin')
  }

  /** What the collation was before is not known, and nothing depends on it. */
  async down(): Promise<void> {}
}
