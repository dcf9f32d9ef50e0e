/** `npm run admin -- …`: tenants and API keys from the shell. */
import { runAdmin } from './admin/run-admin.js'
import { readGatewayConfig } from './config.js'
import { loadEnvFile, SettingsError } from '../runtime/settings.js'

process.exitCode = await runAdmin(process.argv.slice(2), {
  config: () => {
    loadEnvFile()
    return readGatewayConfig()
  },
  out: (text) => process.stdout.write(`${text}\n`),
  err: (text) => process.stderr.write(`${text}\n`),
  isSettingsError: (error) => error instanceof SettingsError,
})
