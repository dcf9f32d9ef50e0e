import { nullable, Table } from '../db/table.js'
import type { ApiKey } from './api-key.js'

export const apiKeyTable = new Table<ApiKey>('api_keys', (c) => ({
  columns: {
    id: c.id(),
    tenantId: c.ref('tenant_id'),
    name: c.line('name', 80),
    lookup: c.word('lookup', 16),
    hash: c.word('hash', 64),
    scopes: c.json('scopes'),
    sessions: c.json('sessions'),
    cidrs: c.json('cidrs'),
    requestsPerMinute: c.integer('requests_per_minute', nullable),
    expiresAt: c.time('expires_at', nullable),
    lastUsedAt: c.time('last_used_at', nullable),
    revokedAt: c.time('revoked_at', nullable),
    createdAt: c.time('created_at'),
    oldLookup: c.word('old_lookup', 16, nullable),
    oldHash: c.word('old_hash', 64, nullable),
    oldUntil: c.time('old_until', nullable),
  },
  uniques: { uq_api_keys_lookup: ['lookup'] },
  indices: { ix_api_keys_tenant: ['tenantId', 'id'], ix_api_keys_old_lookup: ['oldLookup'] },
  foreignKeys: { fk_api_keys_tenant: [['tenantId'], 'tenants', ['id'], 'NO ACTION'] },
}))
