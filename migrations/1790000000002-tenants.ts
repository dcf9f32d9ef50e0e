import { createTable } from './create.js'

export class Tenants1790000000002 extends createTable('tenants', (c) => ({
  columns: [c.id(), c.line('name', 80), c.word('status', 16), c.json('limits'), c.time('created_at')],
  uniques: { uq_tenants_name: ['name'] },
})) {
  name = 'Tenants1790000000002'
}
