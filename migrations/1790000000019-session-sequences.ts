import type { MigrationInterface, QueryRunner } from 'typeorm'
import { createTable } from './create.js'

/** The number of a session's newest event, in a row that nothing else locks. */
export class SessionSequences1790000000019
  extends createTable('session_sequences', (c) => ({
    columns: [c.id('session_id'), c.big('sequence')],
    foreignKeys: { fk_session_sequences_session: [['session_id'], 'sessions', ['id'], 'CASCADE'] },
  }))
  implements MigrationInterface
{
  name = 'SessionSequences1790000000019'

  override async up(runner: QueryRunner): Promise<void> {
    await super.up(runner)
    // Gone when this is run again after the next one: all of it was carried over then.
    if (!(await runner.hasColumn('sessions', 'sequence'))) return
    await runner.query(
      `INSERT INTO session_sequences (session_id, sequence)
       SELECT id, sequence FROM sessions WHERE id NOT IN (SELECT session_id FROM session_sequences)`,
    )
  }
}
