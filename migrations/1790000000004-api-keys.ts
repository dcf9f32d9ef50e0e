import { nullable } from './columns.js'
import { createTable } from './create.js'

export class ApiKeys1790000000004 extends createTable('api_keys', (c) => ({
  columns: [
    c.id(),
    c.ref('tenant_id'),
    c.line('name', 80),
    // What a key is found by; the secret part is only kept as an HMAC.
    c.word('lookup', 16),
    c.word('hash', 64),
    c.json('scopes'),
    c.json('sessions'),
    c.json('cidrs'),
    c.time('expires_at', nullable),
    c.time('last_used_at', nullable),
    c.time('revoked_at', nullable),
    c.time('created_at'),
  ],
  uniques: { uq_api_keys_lookup: ['lookup'] },
  indices: { ix_api_keys_tenant: ['tenant_id', 'id'] },
  foreignKeys: { fk_api_keys_tenant: [['tenant_id'], 'tenants', ['id'], 'NO ACTION'] },
})) {
  name = 'ApiKeys1790000000004'
}
