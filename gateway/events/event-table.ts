import type { EventId, NodeId, SessionId, TenantId } from '../../proto/contract.js'
import { nullable, Table } from '../db/table.js'

export interface EventRow {
  id: EventId
  tenantId: TenantId
  sessionId: SessionId | null
  sessionName: string | null
  sessionPhone: string | null
  nodeId: NodeId | null
  epoch: string | null
  position: number | null
  sequence: number | null
  place: number
  type: string
  body: unknown
  at: Date
  createdAt: Date
  traceId: string | null
}

export const eventTable = new Table<EventRow>('events', (c) => ({
  columns: {
    id: c.id(),
    tenantId: c.ref('tenant_id'),
    sessionId: c.ref('session_id', nullable),
    sessionName: c.word('session_name', 40, nullable),
    sessionPhone: c.word('session_phone', 32, nullable),
    nodeId: c.ref('node_id', nullable),
    epoch: c.word('epoch', 64, nullable),
    position: c.big('position', nullable),
    sequence: c.big('sequence', nullable),
    place: c.big('place'),
    type: c.word('type', 64),
    body: c.json('body'),
    at: c.time('at'),
    createdAt: c.time('created_at'),
    traceId: c.word('trace_id', 32, nullable),
  },
  uniques: {
    uq_events_origin: ['nodeId', 'epoch', 'position'],
    uq_events_place: ['place'],
    uq_events_sequence: ['sessionId', 'sequence'],
  },
  indices: { ix_events_tenant: ['tenantId', 'place'] },
  foreignKeys: { fk_events_tenant: [['tenantId'], 'tenants', ['id'], 'NO ACTION'] },
}))
