import { addColumns } from './create.js'
import { nullable } from './columns.js'

export class TenantsDeleting1790000000021 extends addColumns('tenants', (c) => [c.time('deleting_since', nullable)]) {
  name = 'TenantsDeleting1790000000021'
}
