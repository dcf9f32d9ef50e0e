import { createTable } from './create.js'

/** Until when the time of a node's sessions is counted. */
export class UsageNodes1790000000029 extends createTable('usage_nodes', (c) => ({
  columns: [c.id('node_id'), c.ms('counted_to')],
})) {
  name = 'UsageNodes1790000000029'
}
