import { inOrder, main, run } from '../runtime/lifecycle.js'
import { createLog } from '../runtime/log.js'
import { processMetrics } from '../runtime/metrics.js'
import { createMetricsServer } from '../runtime/metrics-server.js'
import { readLoneGatewayConfig } from './config.js'
import { createGateway } from './gateway.js'

await main(async () => {
  const config = readLoneGatewayConfig()
  const log = createLog('gateway', config.logLevel)
  log.info(config.shown, 'gateway.settings')
  const metrics = processMetrics()
  const told = createMetricsServer(config.metrics, metrics, log)
  await run(inOrder(told, createGateway(config, { log, metrics })), log, { graceMs: 25_000 })
})
