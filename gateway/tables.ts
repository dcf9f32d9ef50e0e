import { auditTable } from './audit/audit-table.js'
import { counterTable } from './db/counters.js'
import { eventTable } from './events/event-table.js'
import { sessionSequenceTable } from './events/session-sequence-table.js'
import { idempotencyKeyTable } from './idempotency/idempotency-key-table.js'
import { messageQuotaTable } from './limits/quota-table.js'
import { mediaTotalsTable } from './media/media-totals-table.js'
import { mediaTable } from './media/media-table.js'
import { messageHistoryTable, messageTable } from './messages/message-table.js'
import { lostNodeTable } from './nodes/lost-node-table.js'
import { nodeCursorTable } from './nodes/node-cursor-table.js'
import { sessionTable } from './sessions/session-table.js'
import { apiKeyTable } from './tenants/api-key-table.js'
import { tenantTable } from './tenants/tenant-table.js'
import { usageCountTable, usageDayTable, usageNodeTable } from './usage/usage-table.js'
import { attemptTable, deliveryTable } from './webhooks/delivery-table.js'
import { replayTable } from './webhooks/replay-table.js'
import { webhookTable } from './webhooks/webhook-table.js'

/** Every table that the gateway reads or writes, as its connections need to know them. */
export const tables = [
  tenantTable,
  apiKeyTable,
  sessionTable,
  messageTable,
  messageHistoryTable,
  eventTable,
  sessionSequenceTable,
  nodeCursorTable,
  lostNodeTable,
  mediaTable,
  mediaTotalsTable,
  counterTable,
  idempotencyKeyTable,
  webhookTable,
  deliveryTable,
  attemptTable,
  replayTable,
  messageQuotaTable,
  usageCountTable,
  usageDayTable,
  usageNodeTable,
  auditTable,
]
