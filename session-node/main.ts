import { systemClock } from '../runtime/clock.js'
import { steadyClock } from '../runtime/steady-clock.js'
import { inOrder, main, run } from '../runtime/lifecycle.js'
import { createLog } from '../runtime/log.js'
import { processMetrics } from '../runtime/metrics.js'
import { createMetricsServer } from '../runtime/metrics-server.js'
import { readLoneSessionNodeConfig } from './config.js'
import { createSessionNode } from './session-node.js'

await main(async () => {
  const config = readLoneSessionNodeConfig()
  const log = createLog('session-node', config.logLevel)
  log.info(config.shown, 'node.settings')
  const metrics = processMetrics()
  const told = createMetricsServer(config.metrics, metrics, log)
  const node = createSessionNode(config, { log, clock: systemClock, steady: steadyClock(), metrics })
  await run(inOrder(told, node), log, { graceMs: 40_000 })
})
