import type { MigrationInterface, QueryRunner } from 'typeorm'

const NAME = 'events_trimmed'

/** Up to which place events were removed: a cursor before it has missed some. */
export class EventsTrimmed1790000000019 implements MigrationInterface {
  name = 'EventsTrimmed1790000000019'

  async up(runner: QueryRunner): Promise<void> {
    const there: unknown[] = await runner.query('SELECT name FROM counters WHERE name = ?', [NAME])
    if (there.length === 0) await runner.query('INSERT INTO counters (name, value) VALUES (?, 0)', [NAME])
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DELETE FROM counters WHERE name = ?', [NAME])
  }
}
