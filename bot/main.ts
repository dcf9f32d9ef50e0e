import { inOrder, main, run } from '../runtime/lifecycle.js'
import { createLog } from '../runtime/log.js'
import { processMetrics } from '../runtime/metrics.js'
import { createMetricsServer } from '../runtime/metrics-server.js'
import { loadEnvFile } from '../runtime/settings.js'
import { createBot } from './bot.js'
import { readLoneBotConfig } from './config.js'

await main(async () => {
  loadEnvFile()
  const config = readLoneBotConfig(process.env)
  const log = createLog('bot', config.logLevel)
  log.info({ settings: config.shown }, 'bot.starting')
  const metrics = processMetrics()
  const told = createMetricsServer(config.metrics, metrics, log)
  await run(inOrder(told, createBot(config, { log, metrics })), log, { graceMs: 10_000 })
})
