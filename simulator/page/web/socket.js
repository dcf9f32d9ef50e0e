import { Events } from './events.js'
import { Model } from './model.js'
import { defineAll } from './require.js'
import { line } from './line.js'
import { device } from './device.js'

/** The state of the connection, which everything that uses the page watches. */
class SocketModel extends Model {
  /** Unlinks this device. The page leaves a little later: whoever asked gets an answer before its context goes away. */
  async logout() {
    await line.ask('unlink')
    await device.forget()
    setTimeout(() => leave('user_initiated'), 1000)
  }

  async takeover() {
    await line.ask('takeover')
  }

  reconnect() {
    if (line.isUp) this.set({ state: 'CONNECTED' })
  }
}

export const Socket = new SocketModel({ state: 'OPENING', hasSynced: false })

class ConnModel extends Model {
  canSetMyPushname() {
    return true
  }
}

export const Conn = new ConnModel({
  ref: undefined,
  wid: undefined,
  pushname: undefined,
  platform: 'android',
  battery: undefined,
  plugged: undefined,
})

/** Commands of the interface, which other areas of the page add themselves to, and its broadcasts. */
export const Cmd = new Events()

let offlineProgress = 0

export function reportOfflineProgress(percent) {
  offlineProgress = percent
  Cmd.trigger('offline_progress_update_from_bridge')
}

/** Where WhatsApp Web goes after a logout; whatsapp-web.js knows a logout by this address. */
export function leave(reason) {
  location.assign(`/?post_logout=1&logout_reason=${reason}`)
}

defineAll({
  WAWebSocketModel: { Socket },
  WAWebConnModel: { Conn },
  WAWebCmd: { Cmd },
  WAWebOfflineHandler: { OfflineMessageHandler: { getOfflineDeliveryProgress: () => offlineProgress } },
})
