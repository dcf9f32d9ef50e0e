import { createTable } from './create.js'

/** Where the messages of a day begin, and whether it was counted once more. */
export class UsageDays1790000000028 extends createTable('usage_days', (c) => ({
  columns: [c.word('day', 10, { isPrimary: true }), c.big('position'), c.ms('recounted_at', { isNullable: true })],
})) {
  name = 'UsageDays1790000000028'
}
