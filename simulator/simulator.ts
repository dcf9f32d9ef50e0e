import { ControlServer } from './control-server.js'
import { PageServer } from './page-server.js'
import { phoneOperations } from './phone-operations.js'
import { servePhones } from './phones-page.js'
import { SimulatorClient } from './simulator-client.js'
import { troubleOperations } from './trouble-operations.js'
import { Whatsapp } from './whatsapp.js'
import { WireLog } from './wire-log.js'
import type { Settings } from './types.js'

export type * from './types.js'
export { SimulatorClient, Phone } from './simulator-client.js'

export interface SimulatorOptions extends Partial<Settings> {
  /** Where the control plane listens; any free port unless given. */
  controlPort?: number
  /** Serves a page with the phones, for people, at the control address. */
  phonesPage?: boolean
  /** A file that gets one JSON line for each message a linked device handed over. */
  wireLog?: string
}

const DEFAULTS: Settings = {
  keyShape: '_serialized',
  addressing: 'c.us',
  webVersion: null,
  allRegistered: false,
  lookupBeforeFirstSend: false,
  serverAckDelayMs: 0,
  syncMode: 'normal',
  syncDelayMs: 0,
  qrRotationMs: 20_000,
  qrCodes: 6,
  offlineDelivery: 'before',
}

export type Simulator = ReturnType<typeof createSimulator>

/** A stand-in for web.whatsapp.com and the phones, on loopback. Nothing listens before `start`. */
export function createSimulator(options: SimulatorOptions = {}) {
  const { controlPort = 0, wireLog, phonesPage = false, ...settings } = options
  const whatsapp = new Whatsapp({ ...DEFAULTS, ...settings }, new WireLog(wireLog))
  const pages = new PageServer(whatsapp)
  const operations = { ...phoneOperations(whatsapp), ...troubleOperations(whatsapp, pages) }
  const control = new ControlServer(operations, () => pages.port, phonesPage ? servePhones(whatsapp.media) : undefined)
  let client: SimulatorClient | undefined

  return {
    async start(): Promise<void> {
      await pages.start()
      await control.start(controlPort)
      client = new SimulatorClient(`http://127.0.0.1:${control.port}`)
    },

    async stop(): Promise<void> {
      whatsapp.linking.stop()
      whatsapp.changes.note()
      await control.stop()
      await pages.stop()
    },

    /** Drives this simulator; the same class drives one in another process. */
    get whatsapp(): SimulatorClient {
      if (!client) throw new Error('The simulator has not been started')
      return client
    },

    /** The control address, for another process. */
    get address(): string {
      return `http://127.0.0.1:${control.port}`
    },

    /** What makes a Chromium see this WhatsApp at web.whatsapp.com. */
    chromiumArgs: (): string[] => chromiumArgs(pages.port),

    /** The same without a space inside an argument, for a setting that is split at spaces. */
    chromiumArgsLine: (): string => chromiumArgsLine(control.port),
  }
}

function chromiumArgs(pagePort: number): string[] {
  return [`--host-resolver-rules=MAP web.whatsapp.com 127.0.0.1:${pagePort}`, '--ignore-certificate-errors']
}

function chromiumArgsLine(controlPort: number): string {
  return `--proxy-server=http://127.0.0.1:${controlPort} --ignore-certificate-errors`
}
