import { systemClock } from '../runtime/clock.js'
import { main, run } from '../runtime/lifecycle.js'
import { createLog } from '../runtime/log.js'
import { readLoneSessionNodeConfig } from './config.js'
import { createSessionNode } from './session-node.js'

await main(async () => {
  const config = readLoneSessionNodeConfig()
  const log = createLog('session-node', config.logLevel)
  log.info(config.shown, 'node.settings')
  await run(createSessionNode(config, { log, clock: systemClock }), log, { graceMs: 40_000 })
})
