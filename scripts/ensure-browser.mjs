// Finds a Chromium that starts, or gets one. Run by the set-up; by hand: npm run browser
import { readdirSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { isRoot, main, root, run, say, SetupError, step, which } from './steps.mjs'
import { canInstall, installCommand, installSystemPackages, packageManager } from './system-packages.mjs'

/** Where session-node looks too (session-node/whatsapp/wwebjs/find-browser.ts); keep the two alike. */
const usual = [
  'chromium',
  'chromium-browser',
  'google-chrome-stable',
  'google-chrome',
  '/opt/google/chrome/chrome',
  '/usr/lib/chromium/chromium',
  '/usr/lib64/chromium-browser/chromium-browser',
  '/snap/bin/chromium',
]
const packages = {
  'apt-get': ['chromium', 'fonts-liberation', 'fonts-noto-color-emoji'],
  apk: ['chromium', 'font-liberation', 'font-noto-emoji'],
  dnf: ['chromium', 'liberation-fonts', 'google-noto-emoji-color-fonts'],
}
const downloads = 'https://storage.googleapis.com/chrome-for-testing-public/'

/** `{ path }` of a browser that starts, or `{ problem }`: a sentence that tells what to do. */
export async function ensureBrowser() {
  if (process.env.CHROMIUM_PATH) {
    const path = which(process.env.CHROMIUM_PATH)
    if (path && (await starts(path))) return { path }
    return { problem: `CHROMIUM_PATH=${process.env.CHROMIUM_PATH} is no browser that starts. Correct it, or unset it.` }
  }
  const found = await findBrowser()
  if (found) return { path: found }
  if (await canDownload()) {
    const path = await download()
    if (path) return { path }
  }
  if (canInstall) {
    say(`no Chromium on this machine, and none to download; installing the distribution's package`)
    try {
      await step(`${packageManager}: ${packages[packageManager].join(' ')}`, () => installSystemPackages(packages))
    } catch (error) {
      if (!(error instanceof SetupError)) throw error
      return { problem: error.message }
    }
    const path = await findBrowser()
    if (path) return { path }
  }
  return {
    problem: `No Chromium was found. Install one (${installCommand(packages)}), or name one: CHROMIUM_PATH=/path/to/chromium`,
  }
}

async function findBrowser() {
  for (const candidate of [...usual, ...downloaded()]) {
    const path = which(candidate)
    if (path && (await starts(path))) return path
  }
  return undefined
}

/** What puppeteer downloaded before, newest first. */
function downloaded() {
  const folder = join(root, '.cache', 'puppeteer', 'chrome')
  try {
    const builds = readdirSync(folder).sort((a, b) => b.localeCompare(a, undefined, { numeric: true }))
    return builds.map((build) => join(folder, build, 'chrome-linux64', 'chrome'))
  } catch {
    return []
  }
}

/** A file that is there may still be a hint to install a snap, or lack libraries. */
async function starts(path) {
  const asRoot = isRoot ? ['--no-sandbox'] : []
  return (await run(path, [...asRoot, '--version'], { timeoutMs: 20_000 })).ok
}

async function canDownload() {
  // Chrome for Testing has no build for ARM on Linux.
  if (process.arch !== 'x64') return false
  try {
    const answer = await fetch(downloads, { method: 'HEAD', signal: AbortSignal.timeout(5_000) })
    return answer.status < 500
  } catch {
    return false
  }
}

async function download() {
  const requireFromLibrary = createRequire(createRequire(import.meta.url).resolve('whatsapp-web.js'))
  const cli = join(requireFromLibrary.resolve('puppeteer'), '..', 'node', 'cli.js')
  const dependencies = isRoot && packageManager === 'apt-get' ? ['--install-deps'] : []
  return step("no Chromium on this machine: puppeteer's own download", async () => {
    const { ok } = await run(process.execPath, [cli, 'browsers', 'install', 'chrome', ...dependencies], {
      env: { PUPPETEER_SKIP_DOWNLOAD: 'false', PUPPETEER_CHROME_SKIP_DOWNLOAD: 'false' },
    })
    const path = ok ? await findBrowser() : undefined
    if (!path) say('the download did not give a browser that starts')
    return path
  })
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  await main(async () => {
    const { path, problem } = await ensureBrowser()
    if (problem) throw new SetupError(problem)
    console.log(path)
  })
}
