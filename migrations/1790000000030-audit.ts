import { nullable } from './columns.js'
import { createTable } from './create.js'

// No foreign keys: what was done to something outlives it.
export class Audit1790000000030 extends createTable('audit', (c) => ({
  columns: [
    c.id(),
    c.ref('tenant_id'),
    c.word('actor', 36),
    c.ref('key_id', nullable),
    c.word('address', 64, nullable),
    c.word('action', 48),
    c.word('target', 64, nullable),
    c.word('outcome', 64, nullable),
    c.word('request_id', 64, nullable),
    c.word('trace_id', 32, nullable),
    c.time('at'),
  ],
  indices: {
    ix_audit_tenant: ['tenant_id', 'id'],
    ix_audit_actor: ['actor', 'id'],
    ix_audit_target: ['target', 'id'],
    ix_audit_at: ['at'],
  },
})) {
  name = 'Audit1790000000030'
}
