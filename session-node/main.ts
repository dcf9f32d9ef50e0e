import { systemClock } from '../runtime/clock.js'
import { run } from '../runtime/lifecycle.js'
import { createLog } from '../runtime/log.js'
import { loadEnvFile } from '../runtime/settings.js'
import { readConfig } from './config.js'
import { createSessionNode } from './session-node.js'

loadEnvFile()
const { config, logLevel, shown } = readConfig(process.env)
const log = createLog('session-node', logLevel)
log.info(shown, 'node.settings')
await run(createSessionNode(config, { log, clock: systemClock }), log, { graceMs: 40_000 })
