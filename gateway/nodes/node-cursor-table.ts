import type { NodeId } from '../../proto/contract.js'
import { nullable, Table } from '../db/table.js'

export interface NodeCursorRow {
  nodeId: NodeId
  epoch: string
  position: number
  fence: number
  holder: string | null
  leaseUntil: number | null
  heardAt: number | null
}

export const nodeCursorTable = new Table<NodeCursorRow>('node_cursors', (c) => ({
  columns: {
    nodeId: c.id('node_id'),
    epoch: c.word('epoch', 64),
    position: c.big('position'),
    fence: c.big('fence'),
    holder: c.word('holder', 64, nullable),
    leaseUntil: c.ms('lease_until', nullable),
    heardAt: c.ms('heard_at', nullable),
  },
}))
