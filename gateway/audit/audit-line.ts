/** What somebody did, as it is kept on record: no message text, no phone number, no secret. No I/O. */
import type { TenantId } from '../../proto/contract.js'

export type AuditId = `aud_${string}`

export interface AuditLine {
  id: AuditId
  /** Whose things it was about. */
  tenantId: TenantId
  /** `key_…`, `telegram:<user id>` or `shell`. */
  actor: string
  /** The key that the request came with; of a Telegram operator, that of the bot. */
  keyId: string | null
  /** Where the request came from. */
  address: string | null
  /** The id of the operation: `deleteSession`. */
  action: string
  /** The id, or the name, of what it was done to. */
  target: string | null
  /** `done`, `replayed`, or the code of the problem; null until it is known, and for good when the process died in it. */
  outcome: string | null
  requestId: string | null
  traceId: string | null
  at: Date
}

/** What Telegram operators do at a node, without the gateway: the bot tells it afterwards. */
export const reportedActions = ['showQr', 'createPairingCode', 'sendMessage'] as const
export type ReportedAction = (typeof reportedActions)[number]

const ACTOR = /^(telegram:[1-9]\d{0,15}|shell)$/
const TARGET = /^([a-z]{3}_[0-9a-hjkmnp-tv-z]{26}|[a-z][a-z0-9_-]{0,39})$/

/** Who the bot says that it acts for; undefined when that makes no sense. */
export function actorOf(given: string): string | undefined {
  return ACTOR.test(given) ? given : undefined
}

/** What stands in a path may be anything, such as a phone number: only ids and names are kept. */
export function targetOf(given: unknown): string | null {
  return typeof given === 'string' && TARGET.test(given) ? given : null
}
