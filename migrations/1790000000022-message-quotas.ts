import { createTable } from './create.js'

export class MessageQuotas1790000000022 extends createTable('message_quotas', (c) => ({
  columns: [c.id('tenant_id'), c.integer('day', { isPrimary: true }), c.integer('used'), c.integer('told')],
  foreignKeys: { fk_message_quotas_tenant: [['tenant_id'], 'tenants', ['id'], 'CASCADE'] },
})) {
  name = 'MessageQuotas1790000000022'
}
