import { nullable } from './columns.js'
import { createTable } from './create.js'

export class IdempotencyKeys1790000000013 extends createTable('idempotency_keys', (c) => ({
  columns: [
    // SHA-256 of tenant, route and key: the key that decides which of two equal requests is the first.
    c.word('id', 64, { isPrimary: true }),
    c.ref('tenant_id'),
    c.word('fingerprint', 64),
    // Who works on it, for what takes longer than one transaction.
    c.ref('holder', nullable),
    c.ms('lease_until', nullable),
    // The message, session or file that came of it.
    c.ref('made', nullable),
    c.json('answer', nullable),
    c.ms('expires_at'),
  ],
  indices: { ix_idempotency_keys_expiry: ['expires_at'] },
  foreignKeys: { fk_idempotency_keys_tenant: [['tenant_id'], 'tenants', ['id'], 'NO ACTION'] },
})) {
  name = 'IdempotencyKeys1790000000013'
}
