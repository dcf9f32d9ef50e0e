// The tests run every repository on SQLite and on a private MariaDB: its server program has to be there.
import { SetupError, step, which } from './steps.mjs'
import { canInstall, installCommand, installSystemPackages, packageManager } from './system-packages.mjs'

const packages = { 'apt-get': ['mariadb-server'], apk: ['mariadb', 'mariadb-client'], dnf: ['mariadb-server'] }
const programs = ['mariadbd', 'mariadb-install-db']

export async function ensureDatabaseServer() {
  if (complete()) return
  if (!canInstall) {
    throw new SetupError(
      `The tests start a private MariaDB, and its server program is not on this machine. Install it (no service needs to run):\n  ${installCommand(packages)}`,
    )
  }
  await step(`MariaDB for the tests (${packageManager}; no service is started)`, () => installSystemPackages(packages))
  if (!complete()) throw new SetupError(`${programs.join(' and ')} are still missing after installing MariaDB.`)
}

function complete() {
  return programs.every((program) => which(program))
}
