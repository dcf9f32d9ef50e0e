import { main, run } from '../runtime/lifecycle.js'
import { createLog } from '../runtime/log.js'
import { readLoneGatewayConfig } from './config.js'
import { createGateway } from './gateway.js'

await main(async () => {
  const config = readLoneGatewayConfig()
  const log = createLog('gateway', config.logLevel)
  log.info(config.shown, 'gateway.settings')
  await run(createGateway(config, { log }), log, { graceMs: 25_000 })
})
