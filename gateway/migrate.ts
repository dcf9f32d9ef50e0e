/** `npm run migrate`: brings the database up to date and ends. The gateway does the same when it starts. */
import { createLog } from '../runtime/log.js'
import { loadEnvFile } from '../runtime/settings.js'
import { readGatewayConfig } from './config.js'
import { Database } from './db/database.js'
import { tables } from './tables.js'

loadEnvFile()
const config = readGatewayConfig()
const log = createLog('migrate', config.logLevel)
const db = new Database({ target: config.database, tables, log })
await db.start()
await db.stop()
