import type { MigrationInterface, QueryRunner } from 'typeorm'

/** Each event of a session changed its row, and whoever stored a message for the session waited for that. */
export class SessionsWithoutSequence1790000000020 implements MigrationInterface {
  name = 'SessionsWithoutSequence1790000000020'

  async up(runner: QueryRunner): Promise<void> {
    // Raw: TypeORM would copy the whole table on SQLite.
    if (await runner.hasColumn('sessions', 'sequence')) {
      await runner.query('ALTER TABLE sessions DROP COLUMN sequence')
    }
  }

  async down(runner: QueryRunner): Promise<void> {
    if (!(await runner.hasColumn('sessions', 'sequence'))) {
      await runner.query('ALTER TABLE sessions ADD COLUMN sequence bigint NOT NULL DEFAULT 0')
    }
    await runner.query(
      `UPDATE sessions SET sequence =
       COALESCE((SELECT own.sequence FROM session_sequences own WHERE own.session_id = sessions.id), 0)`,
    )
  }
}
