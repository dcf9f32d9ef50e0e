import { Database1790000000001 } from './1790000000001-database.js'
import { Tenants1790000000002 } from './1790000000002-tenants.js'
import { DefaultTenant1790000000003 } from './1790000000003-default-tenant.js'
import { ApiKeys1790000000004 } from './1790000000004-api-keys.js'
import { Sessions1790000000005 } from './1790000000005-sessions.js'
import { Messages1790000000006 } from './1790000000006-messages.js'
import { MessageHistory1790000000007 } from './1790000000007-message-history.js'
import { Events1790000000008 } from './1790000000008-events.js'
import { NodeCursors1790000000009 } from './1790000000009-node-cursors.js'
import { Media1790000000010 } from './1790000000010-media.js'
import { Counters1790000000011 } from './1790000000011-counters.js'
import { FirstCounters1790000000012 } from './1790000000012-first-counters.js'
import { IdempotencyKeys1790000000013 } from './1790000000013-idempotency-keys.js'
import { LostNodes1790000000014 } from './1790000000014-lost-nodes.js'
import { EventSessions1790000000015 } from './1790000000015-event-sessions.js'
import { Webhooks1790000000016 } from './1790000000016-webhooks.js'
import { Deliveries1790000000017 } from './1790000000017-deliveries.js'
import { DeliveryAttempts1790000000018 } from './1790000000018-delivery-attempts.js'
import { SessionSequences1790000000019 } from './1790000000019-session-sequences.js'
import { SessionsWithoutSequence1790000000020 } from './1790000000020-sessions-without-sequence.js'
import { TenantsDeleting1790000000021 } from './1790000000021-tenants-deleting.js'
import { MessageQuotas1790000000022 } from './1790000000022-message-quotas.js'
import { RotatedKeys1790000000023 } from './1790000000023-rotated-keys.js'
import { MediaTotals1790000000024 } from './1790000000024-media-totals.js'
import { MessageTraces1790000000025 } from './1790000000025-message-traces.js'
import { EventTraces1790000000026 } from './1790000000026-event-traces.js'
import { UsageCounts1790000000027 } from './1790000000027-usage-counts.js'
import { UsageDays1790000000028 } from './1790000000028-usage-days.js'
import { UsageNodes1790000000029 } from './1790000000029-usage-nodes.js'
import { Audit1790000000030 } from './1790000000030-audit.js'
import { WebhookReplays1790000000031 } from './1790000000031-webhook-replays.js'
import { KeyLimits1790000000032 } from './1790000000032-key-limits.js'
import { NoNextActionIndex1790000000033 } from './1790000000033-no-next-action-index.js'
import { UnusedMessageColumns1790000000034 } from './1790000000034-unused-message-columns.js'

/** In the order they run. A released migration is never edited: add one. */
export const migrations = [
  Database1790000000001,
  Tenants1790000000002,
  DefaultTenant1790000000003,
  ApiKeys1790000000004,
  Sessions1790000000005,
  Messages1790000000006,
  MessageHistory1790000000007,
  Events1790000000008,
  NodeCursors1790000000009,
  Media1790000000010,
  Counters1790000000011,
  FirstCounters1790000000012,
  IdempotencyKeys1790000000013,
  LostNodes1790000000014,
  EventSessions1790000000015,
  Webhooks1790000000016,
  Deliveries1790000000017,
  DeliveryAttempts1790000000018,
  SessionSequences1790000000019,
  SessionsWithoutSequence1790000000020,
  TenantsDeleting1790000000021,
  MessageQuotas1790000000022,
  RotatedKeys1790000000023,
  MediaTotals1790000000024,
  MessageTraces1790000000025,
  EventTraces1790000000026,
  UsageCounts1790000000027,
  UsageDays1790000000028,
  UsageNodes1790000000029,
  Audit1790000000030,
  WebhookReplays1790000000031,
  KeyLimits1790000000032,
  NoNextActionIndex1790000000033,
  UnusedMessageColumns1790000000034,
]
