import { defineAll } from './require.js'
import { line } from './line.js'
import { device } from './device.js'
import { Cmd, Conn, Socket, leave } from './socket.js'

/** Keys of a device that is not linked yet; fresh for each load of the page. */
const keys = { noise: randomBytes(32), identity: randomBytes(32), adv: encodeB64(randomBytes(32)) }

export function qrText() {
  return [Conn.ref, encodeB64(keys.noise), encodeB64(keys.identity), keys.adv, '1'].join(',')
}

/** Shows itself as a device that waits to be linked. */
export function waitForLink(ref) {
  Conn.set({ ref })
  Socket.set({ state: 'UNPAIRED' })
}

/** Keeps the identity before anything else, so that a browser killed right after the scan is linked all the same. */
export async function acceptLink({ identity }) {
  await device.become(identity)
  // WhatsApp empties the reference after the scan, which whatsapp-web.js reports as one more QR: `undefined,…`.
  Conn.set({ ref: undefined })
  Socket.set({ state: 'PAIRING' })
}

async function refreshQR() {
  waitForLink((await line.ask('refreshQr')).ref)
}

line.on('ref', ({ ref }) => waitForLink(ref))
line.on('idle', () => Socket.set({ state: 'UNPAIRED_IDLE' }))
line.on('logout', async () => {
  await device.forget()
  Cmd.trigger('logout_from_bridge')
  leave('phone')
})

Cmd.refreshQR = refreshQR

defineAll({
  WABase64: { encodeB64 },
  WAWebCompanionRegClientUtils: { DEVICE_PLATFORM: '1' },
  WAWebAdvSignatureApi: {},
  WAWebUserPrefsInfoStore: { waNoiseInfo: { get: async () => ({ staticKeyPair: { pubKey: keys.noise } }) } },
  WAWebSignalStoreApi: {
    waSignalStore: { getRegistrationInfo: async () => ({ identityKeyPair: { pubKey: keys.identity } }) },
  },
  WAWebUserPrefsMultiDevice: { getADVSecretKey: () => keys.adv },
  WAWebLaunchSocketUtils: { refreshQR },
  WAWebAltDeviceLinkingApi: {
    setPairingType() {},
    async initializeAltDeviceLinking() {},
    async initializeQRLinking() {},
    startAltLinkingFlow: async (phone, showNotification) =>
      (await line.ask('pairingCode', { phone, showNotification })).code,
  },
  WAWebMiscBrowserUtils: { info: () => ({ os: 'Linux', name: 'Chrome', version: '156' }) },
})

function randomBytes(count) {
  return crypto.getRandomValues(new Uint8Array(count))
}

function encodeB64(bytes) {
  return btoa(String.fromCharCode(...bytes))
}
