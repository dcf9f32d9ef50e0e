// Programs that the tests run: the languages of the examples in docs/webhooks.md, the tool that checks metrics and alerts,
// and the server in which gateways count requests together.
import { SetupError, step, which } from './steps.mjs'
import { canInstall, installCommand, installSystemPackages, packageManager } from './system-packages.mjs'

const everywhere = (name) => ({ 'apt-get': name, apk: name, dnf: name })
/** Each program with the package that brings it. */
const programs = {
  bash: everywhere('bash'),
  openssl: everywhere('openssl'),
  python3: everywhere('python3'),
  'redis-server': { 'apt-get': 'redis-server', apk: 'redis', dnf: 'redis' },
  promtool: { 'apt-get': 'prometheus', apk: 'prometheus', dnf: 'golang-github-prometheus' },
}

export async function ensureTestPrograms() {
  const missing = () => Object.keys(programs).filter((program) => !which(program))
  const names = missing().join(', ')
  if (names === '') return
  const wanted = Object.fromEntries(
    ['apt-get', 'apk', 'dnf'].map((manager) => [manager, missing().map((program) => programs[program][manager])]),
  )
  if (!canInstall) throw new SetupError(`The tests run ${names}. Install it:\n  ${installCommand(wanted)}`)
  await step(`${names} for the tests (${packageManager}; no service is started)`, () => installSystemPackages(wanted))
  if (missing().length > 0) throw new SetupError(`${missing().join(', ')} are still missing after installing them.`)
}
