// The examples of docs/webhooks.md are run by the tests: the languages that they are in have to be there.
import { SetupError, step, which } from './steps.mjs'
import { canInstall, installCommand, installSystemPackages, packageManager } from './system-packages.mjs'

const programs = ['bash', 'openssl', 'python3']

export async function ensureTestPrograms() {
  const missing = () => programs.filter((program) => !which(program))
  // They are packages of these names everywhere.
  const wanted = { 'apt-get': missing(), apk: missing(), dnf: missing() }
  if (missing().length === 0) return
  if (!canInstall) {
    throw new SetupError(
      `The tests run examples with ${missing().join(', ')}. Install it:\n  ${installCommand(wanted)}`,
    )
  }
  await step(`${missing().join(', ')} for the tests (${packageManager})`, () => installSystemPackages(wanted))
  if (missing().length > 0) throw new SetupError(`${missing().join(', ')} are still missing after installing them.`)
}
