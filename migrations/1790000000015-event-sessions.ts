import type { MigrationInterface, QueryRunner } from 'typeorm'
import { addColumns } from './create.js'
import { nullable } from './columns.js'

/** What an event shows of its session is kept with it: another number may be linked later. */
export class EventSessions1790000000015
  extends addColumns('events', (c) => [c.word('session_name', 40, nullable), c.word('session_phone', 32, nullable)])
  implements MigrationInterface
{
  name = 'EventSessions1790000000015'

  override async up(runner: QueryRunner): Promise<void> {
    await super.up(runner)
    // The words of SQL that SQLite and MySQL share.
    const from = (column: string) => `(SELECT ${column} FROM sessions WHERE sessions.id = events.session_id)`
    await runner.query(
      `UPDATE events SET session_name = ${from('name')}, session_phone = ${from('phone')} WHERE session_name IS NULL`,
    )
  }
}
