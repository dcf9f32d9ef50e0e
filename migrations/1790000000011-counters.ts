import { createTable } from './create.js'

/** Orders that no clock can give: taken in the transaction that stores what is ordered. */
export class Counters1790000000011 extends createTable('counters', (c) => ({
  columns: [c.word('name', 64, { isPrimary: true }), c.big('value')],
})) {
  name = 'Counters1790000000011'
}
