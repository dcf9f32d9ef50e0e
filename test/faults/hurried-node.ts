/** A session node as it is, but for its patience: HURRY holds what is shorter, as JSON. For rows about long waits. */
import { readLoneSessionNodeConfig } from '../../session-node/config.js'
import { createSessionNode } from '../../session-node/session-node.js'
import type { Timing } from '../../session-node/sessions/timing.js'
import type { Timing as BrowserTiming } from '../../session-node/whatsapp/wwebjs/timing.js'
import { createWwebjsClient } from '../../session-node/whatsapp/wwebjs/wwebjs-client.js'
import { systemClock } from '../../runtime/clock.js'
import { steadyClock } from '../../runtime/steady-clock.js'
import { main, run } from '../../runtime/lifecycle.js'
import { createLog } from '../../runtime/log.js'

export interface Hurry {
  session?: Partial<Timing>
  browser?: Partial<BrowserTiming>
}

await main(async () => {
  const config = readLoneSessionNodeConfig()
  const { session, browser } = JSON.parse(process.env['HURRY'] ?? '{}') as Hurry
  const log = createLog('session-node', config.logLevel)
  const node = createSessionNode(
    { ...config, ...(session ? { timing: session } : {}) },
    {
      log,
      clock: systemClock,
      steady: steadyClock(),
      makeClient: (options, usual) =>
        options.engine === 'wwebjs' ? createWwebjsClient(options, config.browser, browser) : usual(options),
    },
  )
  await run(node, log, { graceMs: 40_000 })
})
