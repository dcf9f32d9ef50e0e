// What has to be there first. npm start calls `setup.mjs run`, npm test calls `setup.mjs test`.
// Works in a fresh clone on a machine that has only Node; says nothing when there is nothing to do.
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { main, root, SetupError } from './steps.mjs'

await main(async () => {
  const purpose = process.argv[2]
  if (purpose !== 'run' && purpose !== 'test') throw new SetupError('Usage: node scripts/setup.mjs run|test')
  checkNode()
  if (existsSync(join(root, '.env'))) process.loadEnvFile(join(root, '.env'))
  const { ensurePackages } = await import('./ensure-packages.mjs')
  await ensurePackages()
  const { ensureBuilt } = await import('./build.mjs')
  await ensureBuilt()
  const { ensureBrowser } = await import('./ensure-browser.mjs')
  const { problem } = await ensureBrowser()
  if (problem && purpose === 'test') throw new SetupError(problem)
  if (problem) {
    process.stderr.write(
      `\nset-up: ${problem}\nset-up: Sandbox sessions work without one; linking a number does not.\n\n`,
    )
  }
  if (purpose === 'test') {
    const { ensureDatabaseServer } = await import('./ensure-database-server.mjs')
    await ensureDatabaseServer()
    const { ensureTestPrograms } = await import('./ensure-test-programs.mjs')
    await ensureTestPrograms()
  }
})

function checkNode() {
  const [major, minor] = process.versions.node.split('.').map(Number)
  if (major > 20 || (major === 20 && minor >= 19)) return
  throw new SetupError(`Switchboard needs Node 20.19 or newer; this is ${process.version}. https://nodejs.org`)
}
