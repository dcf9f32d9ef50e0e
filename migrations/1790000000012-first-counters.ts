import type { MigrationInterface, QueryRunner } from 'typeorm'

const NAMES = ['message_position', 'event_place']

export class FirstCounters1790000000012 implements MigrationInterface {
  name = 'FirstCounters1790000000012'

  async up(runner: QueryRunner): Promise<void> {
    // Raw, because a migration knows no entities; both databases read these statements the same.
    for (const name of NAMES) {
      const there: unknown[] = await runner.query('SELECT name FROM counters WHERE name = ?', [name])
      if (there.length === 0) await runner.query('INSERT INTO counters (name, value) VALUES (?, 0)', [name])
    }
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DELETE FROM counters WHERE name IN (?, ?)', NAMES)
  }
}
