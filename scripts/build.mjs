// Compiles to dist/ and copies what is not TypeScript. dist/ is replaced as a whole, so that it never holds old files.
import { cpSync, existsSync, readdirSync, renameSync, rmSync, statSync } from 'node:fs'
import { extname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { main, mustRun, root, step } from './steps.mjs'

const sources = ['runtime', 'proto', 'gateway', 'session-node', 'bot', 'migrations', 'simulator']
const contract = join(root, 'proto', 'session_node.proto')
const generated = join(root, 'proto', 'generated', 'session_node.ts')
const dist = join(root, 'dist')

/** Generates and compiles when a source is newer than what was made of it. */
export async function ensureBuilt() {
  if (!existsSync(generated) || modifiedAt(generated) < modifiedAt(contract)) {
    await step('types of the gRPC contract', () => mustRun('npm', ['run', '--silent', 'gen']))
  }
  if (!isBuilt()) await step('compiling to dist/', build)
}

/** Nothing was changed since. */
export function isBuilt() {
  const inputs = [...sources, 'main.ts', 'package-lock.json', 'tsconfig.json', 'tsconfig.build.json']
  const newest = Math.max(...inputs.map((name) => newestIn(join(root, name))))
  const built = join(dist, 'main.js')
  return existsSync(built) && modifiedAt(built) >= newest
}

async function build() {
  const fresh = join(root, `dist.${process.pid}`)
  const old = join(root, `dist.${process.pid}.old`)
  try {
    const tsc = join(root, 'node_modules', 'typescript', 'bin', 'tsc')
    await mustRun(process.execPath, [tsc, '-p', 'tsconfig.build.json', '--outDir', fresh])
    for (const folder of sources) cpSync(join(root, folder), join(fresh, folder), { recursive: true, filter: isAsset })
    if (existsSync(dist)) renameSync(dist, old)
    renameSync(fresh, dist)
  } finally {
    rmSync(fresh, { recursive: true, force: true })
    rmSync(old, { recursive: true, force: true })
  }
}

/** Pages, styles, browser scripts, the .proto: everything but TypeScript and what is written for readers. */
function isAsset(path) {
  if (relative(root, path) === join('proto', 'generated')) return false
  return statSync(path).isDirectory() || !['.ts', '.md'].includes(extname(path))
}

function newestIn(path) {
  if (!statSync(path).isDirectory()) return /\.test\.ts$/.test(path) ? 0 : modifiedAt(path)
  return Math.max(0, ...readdirSync(path).map((name) => newestIn(join(path, name))))
}

function modifiedAt(path) {
  return statSync(path).mtimeMs
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  await main(async () => {
    await step('types of the gRPC contract', () => mustRun('npm', ['run', '--silent', 'gen']))
    await step('compiling to dist/', build)
  })
}
