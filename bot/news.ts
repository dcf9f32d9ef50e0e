import type { Alerts } from './alerts/alerts.js'
import type { HeldMessages } from './alerts/held-messages.js'
import type { BotState } from './bot-state.js'
import type { NodeSink } from './node-watcher.js'
import type { QrPhotos } from './qr/qr-photos.js'
import type { Relays } from './relay/relays.js'
import type { Sends } from './sends/sends.js'
import type { LiveSession, LiveSessions } from './sessions/live-sessions.js'

interface Parts {
  live: LiveSessions
  sends: Sends
  relays: Relays
  qrPhotos: QrPhotos
  alerts: Alerts
  heldMessages: HeldMessages
  state: BotState
}

/** What nodes report, handed to those whom it concerns. */
export function createNews({ live, sends, relays, qrPhotos, alerts, heldMessages, state }: Parts): NodeSink {
  function statusChanged(session: LiveSession): void {
    // Alerts first: they ask whether the session's QR code is being shown, which ends below.
    alerts.statusChanged(session)
    qrPhotos.statusChanged(session)
  }

  return {
    snapshot(node, sessions, qrs) {
      const { gone } = live.replace(node, sessions, qrs)
      for (const { id } of gone) state.forgetSession(id)
      // All of them: what an incident or a photo waits for may have happened while nobody looked.
      for (const { id } of sessions) {
        const session = live.find(id)
        if (session) statusChanged(session)
      }
      for (const qr of qrs) qrPhotos.qrChanged(qr)
    },
    qr(qr) {
      live.applyQr(qr)
      qrPhotos.qrChanged(qr)
    },
    event(node, event) {
      if (event.body.kind === 'session_status') {
        const session = { ...event.body.session, node }
        if (live.apply(node, session)) statusChanged(session)
        return false
      }
      // Both: a reaction to what was sent concerns the watchers too.
      const noted = sends.note(event) || heldMessages.note(event)
      return relays.note(event) || noted
    },
    lost(node) {
      live.nodeLost(node)
    },
  }
}
