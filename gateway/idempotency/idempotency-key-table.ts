import { nullable, Table } from '../db/table.js'
import type { IdempotencyKey } from './idempotency-key.js'

/** As it lies in the database: the answer is sealed. */
export type IdempotencyKeyRow = Omit<IdempotencyKey, 'answer'> & { answer: string | null }

export const idempotencyKeyTable = new Table<IdempotencyKeyRow>('idempotency_keys', (c) => ({
  columns: {
    id: c.word('id', 64, { isPrimary: true }),
    tenantId: c.ref('tenant_id'),
    fingerprint: c.word('fingerprint', 64),
    holder: c.ref('holder', nullable),
    leaseUntil: c.ms('lease_until', nullable),
    made: c.ref('made', nullable),
    answer: c.json('answer', nullable),
    expiresAt: c.ms('expires_at'),
  },
  indices: { ix_idempotency_keys_expiry: ['expiresAt'] },
  foreignKeys: { fk_idempotency_keys_tenant: [['tenantId'], 'tenants', ['id'], 'NO ACTION'] },
}))
