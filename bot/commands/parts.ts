import type { NodeDirectory } from '../../proto/node-directory.js'
import type { Clock } from '../../runtime/clock.js'
import type { HeldMessages } from '../alerts/held-messages.js'
import type { AuditTrail } from '../audit/audit-trail.js'
import type { BotState } from '../bot-state.js'
import type { GatewayClient } from '../gateway-client.js'
import type { QrPhotos } from '../qr/qr-photos.js'
import type { RelayRecords } from '../relay/relay-records.js'
import type { MediaCourier } from '../sends/media-courier.js'
import type { Sends } from '../sends/sends.js'
import type { FindSession } from '../sessions/find-session.js'
import type { LiveSessions } from '../sessions/live-sessions.js'
import type { Tenants } from '../sessions/tenants.js'
import type { Talk } from '../telegram/talk.js'

/** What commands work with. */
export interface CommandParts {
  directory: NodeDirectory
  live: LiveSessions
  sessions: FindSession
  tenants: Tenants
  gateway: GatewayClient
  audit: AuditTrail
  sends: Sends
  courier: MediaCourier
  heldMessages: HeldMessages
  relays: RelayRecords
  qrPhotos: QrPhotos
  state: BotState
  talk: Talk
  clock: Clock
}
