import type { Reason } from '../../proto/reasons.js'
import type { Clock } from '../../runtime/clock.js'
import type { Logger } from '../../runtime/log.js'
import type { EventLog } from '../journal/event-log.js'
import type { Journal } from '../journal/journal.js'
import type { Sends } from '../journal/sends.js'
import type { SessionRows } from '../journal/session-rows.js'
import type { MediaFiles } from '../media/media-files.js'
import type { Pulse } from '../pulse.js'
import type { SendingPermit } from '../sending-permit.js'
import type { ClientOptions, WhatsAppClient } from '../whatsapp/whatsapp-client.js'
import type { LaunchGate } from './launch-gate.js'
import type { Outcomes } from './outcomes.js'
import type { Profiles } from './profiles.js'
import type { Timing } from './timing.js'

/** May load the engine first. */
export type MakeClient = (options: ClientOptions) => WhatsAppClient | Promise<WhatsAppClient>

/** What sessions share. */
export interface SessionWorld {
  journal: Journal
  rows: SessionRows
  sends: Sends
  events: EventLog
  outcomes: Outcomes
  media: MediaFiles
  profiles: Profiles
  /** Real browsers pass it one after the other. */
  gate: LaunchGate
  /** Whether anything may be sent. */
  permit: SendingPermit
  /** Fires when a QR is shown or taken away. */
  qrChanged: Pulse
  /** Why no client may run now; undefined while they may. */
  hold: { reason: Reason | undefined }
  makeClient: MakeClient
  /** A session died, and comes back by itself. For the metrics. */
  onRestart: (reason: Reason) => void
  timing: Timing
  clock: Clock
  /** For deadlines and pauses. */
  steady: Clock
  log: Logger
}
