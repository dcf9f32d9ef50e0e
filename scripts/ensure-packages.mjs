// npm packages as package-lock.json pins them. better-sqlite3 is the only one that may have to be compiled.
import { createHash } from 'node:crypto'
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { lastLines, mustRun, root, run, say, SetupError, step, which } from './steps.mjs'
import { canInstall, installCommand, installSystemPackages } from './system-packages.mjs'

const lockfile = join(root, 'package-lock.json')
const stamp = join(root, 'node_modules', '.switchboard-packages')
const buildTools = {
  'apt-get': ['python3', 'make', 'g++'],
  apk: ['python3', 'make', 'g++'],
  dnf: ['python3', 'make', 'gcc-c++'],
}

export async function ensurePackages() {
  const wanted = fingerprint()
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === wanted) return
  if (!(await installedByHand())) await install()
  await mustRun(process.execPath, ['-e', "new (require('better-sqlite3'))(':memory:').close()"])
  writeFileSync(stamp, wanted)
}

/** The lockfile, and the Node that native parts were made for. */
function fingerprint() {
  const digest = createHash('sha256').update(readFileSync(lockfile)).digest('hex')
  return `${digest} node-abi-${process.versions.modules}\n`
}

/** True when someone ran `npm install` or `npm ci` since the lockfile last changed, with this Node. */
async function installedByHand() {
  const installed = join(root, 'node_modules', '.package-lock.json')
  if (existsSync(stamp) && !readFileSync(stamp, 'utf8').includes(`node-abi-${process.versions.modules}\n`)) return false
  if (!existsSync(installed) || statSync(installed).mtimeMs < statSync(lockfile).mtimeMs) return false
  return (await run('npm', ['ls', '--all', '--silent'])).ok
}

async function install() {
  await step('npm ci (the first time this takes a minute or two)', async () => {
    const first = await npmCi()
    if (first.ok) return
    const missing = ['python3', 'make', 'g++'].filter((tool) => !which(tool))
    if (missing.length === 0 || !/better-sqlite3|node-gyp|prebuild-install/.test(first.output)) {
      throw new SetupError(`npm ci failed:\n${lastLines(first.output)}`)
    }
    const why = `better-sqlite3 (the embedded database) has no ready-made binary for this machine, and compiling it needs ${missing.join(', ')}`
    if (!canInstall) throw new SetupError(`${why}. Install them and start again:\n  ${installCommand(buildTools)}`)
    say(`${why}; installing them`)
    await installSystemPackages(buildTools)
    const second = await npmCi()
    if (!second.ok) throw new SetupError(`npm ci failed:\n${lastLines(second.output)}`)
  })
}

function npmCi() {
  // Compiler and test tools are wanted also where NODE_ENV=production is set.
  return run('npm', ['ci', '--include=dev', '--no-audit', '--no-fund'])
}
