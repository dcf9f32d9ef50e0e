import { createTable } from './create.js'

/** Nodes that an operator gave up, and when. No tenant: nodes belong to the operator. */
export class LostNodes1790000000014 extends createTable('lost_nodes', (c) => ({
  columns: [c.id('node_id'), c.ms('lost_at')],
})) {
  name = 'LostNodes1790000000014'
}
