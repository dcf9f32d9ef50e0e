import { counterTable } from './db/counters.js'
import { sessionTable } from './sessions/session-table.js'
import { apiKeyTable } from './tenants/api-key-table.js'
import { tenantTable } from './tenants/tenant-table.js'

/** Every table that the gateway reads or writes, as its connections need to know them. */
export const tables = [tenantTable, apiKeyTable, sessionTable, counterTable]
