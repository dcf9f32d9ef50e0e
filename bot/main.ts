import { main, run } from '../runtime/lifecycle.js'
import { createLog } from '../runtime/log.js'
import { loadEnvFile } from '../runtime/settings.js'
import { createBot } from './bot.js'
import { readLoneBotConfig } from './config.js'

await main(async () => {
  loadEnvFile()
  const config = readLoneBotConfig(process.env)
  const log = createLog('bot', config.logLevel)
  log.info({ settings: config.shown }, 'bot.starting')
  await run(createBot(config, { log }), log, { graceMs: 10_000 })
})
