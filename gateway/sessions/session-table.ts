import { nullable, Table } from '../db/table.js'
import type { Session } from './session.js'

export const sessionTable = new Table<Session>('sessions', (c) => ({
  columns: {
    id: c.id(),
    tenantId: c.ref('tenant_id'),
    name: c.word('name', 40),
    liveName: c.word('live_name', 40, nullable),
    engine: c.word('engine', 16),
    nodeId: c.ref('node_id'),
    wanted: c.word('wanted', 16),
    status: c.word('status', 16),
    reason: c.word('reason', 64, nullable),
    detail: c.text('detail', nullable),
    phone: c.word('phone', 32, nullable),
    lid: c.word('lid', 64, nullable),
    pushName: c.line('push_name', 255, nullable),
    pacing: c.json('pacing'),
    sandbox: c.json('sandbox', nullable),
    metadata: c.json('metadata', nullable),
    changedAt: c.time('changed_at'),
    connectedAt: c.time('connected_at', nullable),
    createdAt: c.time('created_at'),
    deletedAt: c.time('deleted_at', nullable),
  },
  uniques: { uq_sessions_name: ['tenantId', 'liveName'] },
  indices: { ix_sessions_node: ['nodeId', 'wanted'], ix_sessions_tenant: ['tenantId', 'id'] },
  foreignKeys: { fk_sessions_tenant: [['tenantId'], 'tenants', ['id'], 'NO ACTION'] },
}))
