/** All operations of the HTTP API, in the order in which the document shows them. */
import { auditOperations } from '../audit/audit-operations.js'
import { eventOperations } from '../events/event-operations.js'
import { healthOperations } from '../health/health-operations.js'
import type { Operation } from '../http/operation.js'
import { mediaOperations } from '../media/media-operations.js'
import { messageOperations } from '../messages/message-operations.js'
import { shortMessageOperations } from '../messages/short-message-operations.js'
import { nodeOperations } from '../nodes/node-operations.js'
import { noticeOperations } from '../notices/notice-operations.js'
import { openApiOperations } from './openapi-operations.js'
import { linkingOperations } from '../sessions/linking-operations.js'
import { sandboxOperations } from '../sessions/sandbox-operations.js'
import { sessionOperations } from '../sessions/session-operations.js'
import { shortSessionOperations } from '../sessions/short-session-operations.js'
import { apiKeyOperations } from '../tenants/api-key-operations.js'
import { tenantOperations } from '../tenants/tenant-operations.js'
import { usageOperations } from '../usage/usage-operations.js'
import { deliveryOperations } from '../webhooks/delivery-operations.js'
import { webhookOperations } from '../webhooks/webhook-operations.js'

export const operations: readonly Operation[] = [
  ...sessionOperations,
  ...linkingOperations,
  ...messageOperations,
  ...mediaOperations,
  ...eventOperations,
  ...webhookOperations,
  ...deliveryOperations,
  ...sandboxOperations,
  ...shortSessionOperations,
  ...shortMessageOperations,
  ...usageOperations,
  ...nodeOperations,
  ...noticeOperations,
  ...auditOperations,
  ...tenantOperations,
  ...apiKeyOperations,
  ...healthOperations,
  ...openApiOperations,
]
