import type { NodeId } from '../../proto/contract.js'
import { Table } from '../db/table.js'

export interface LostNodeRow {
  nodeId: NodeId
  lostAt: number
}

export const lostNodeTable = new Table<LostNodeRow>('lost_nodes', (c) => ({
  columns: { nodeId: c.id('node_id'), lostAt: c.ms('lost_at') },
}))
