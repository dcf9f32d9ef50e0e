import { createTable } from './create.js'

/** Days that were counted once more. */
export class UsageDays1790000000028 extends createTable('usage_days', (c) => ({
  columns: [c.word('day', 10, { isPrimary: true }), c.ms('recounted_at')],
})) {
  name = 'UsageDays1790000000028'
}
