import type { Engine } from '../../proto/contract.js'
import type { Service } from '../../runtime/lifecycle.js'
import type { MakeClient } from '../sessions/session-world.js'
import { SandboxClient } from './sandbox-client.js'
import { WireLog } from './wire-log.js'
import { type BrowserSettings, browserProblem } from './wwebjs/chromium.js'

export interface Engines extends Service {
  makeClient: MakeClient
  /** Which engines run here, and why the real one does not. */
  available(): { engines: Engine[]; browserProblem?: string }
}

/** The implementations of WhatsAppClient. */
export function createEngines({ dataDir, browser }: { dataDir: string; browser: BrowserSettings }): Engines {
  const wire = new WireLog(dataDir)

  const makeClient: MakeClient = async (options) => {
    if (options.engine === 'sandbox') return new SandboxClient(options, wire)
    // Loaded by the first real session: a node with sandbox sessions only never pays for puppeteer.
    const { createWwebjsClient } = await import('./wwebjs/wwebjs-client.js')
    return createWwebjsClient(options, browser)
  }

  function available(): ReturnType<Engines['available']> {
    const problem = browserProblem(browser)
    return problem === undefined
      ? { engines: ['wwebjs', 'sandbox'] }
      : { engines: ['sandbox'], browserProblem: problem }
  }

  return { makeClient, available, start: () => wire.start(), stop: () => wire.stop() }
}
