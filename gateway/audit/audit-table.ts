import { nullable, Table } from '../db/table.js'
import type { AuditLine } from './audit-line.js'

// No foreign keys: what was done to something outlives it.
export const auditTable = new Table<AuditLine>('audit', (c) => ({
  columns: {
    id: c.id(),
    tenantId: c.ref('tenant_id'),
    actor: c.word('actor', 36),
    keyId: c.ref('key_id', nullable),
    address: c.word('address', 64, nullable),
    action: c.word('action', 48),
    target: c.word('target', 64, nullable),
    outcome: c.word('outcome', 64, nullable),
    requestId: c.word('request_id', 64, nullable),
    traceId: c.word('trace_id', 32, nullable),
    at: c.time('at'),
  },
  indices: {
    ix_audit_tenant: ['tenantId', 'id'],
    ix_audit_actor: ['actor', 'id'],
    ix_audit_target: ['target', 'id'],
    ix_audit_at: ['at'],
  },
}))
