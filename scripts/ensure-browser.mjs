// Finds a Chromium that starts, or gets one. Run by the set-up; by hand: npm run browser
import { readdirSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { isRoot, main, root, run, say, SetupError, step, which } from './steps.mjs'
import { canInstall, installCommand, installSystemPackages, packageManager } from './system-packages.mjs'

/** Where the session node looks, in its order: session-node/whatsapp/wwebjs/chromium.ts. Keep the two alike. */
const usualPaths = [
  '/usr/bin/chromium',
  '/usr/bin/chromium-browser',
  '/usr/bin/google-chrome-stable',
  '/usr/bin/google-chrome',
  '/usr/local/bin/chromium',
  '/snap/bin/chromium',
]
const packages = {
  'apt-get': ['chromium', 'fonts-liberation', 'fonts-noto-color-emoji'],
  apk: ['chromium', 'font-liberation', 'font-noto-emoji'],
  dnf: ['chromium', 'liberation-fonts', 'google-noto-emoji-color-fonts'],
}

/** `{ path }` of a browser that starts, or `{ problem }`: a sentence that tells what to do. */
export async function ensureBrowser() {
  if (process.env.CHROMIUM_PATH) {
    const path = which(process.env.CHROMIUM_PATH)
    if (path && (await starts(path))) return { path }
    return { problem: `CHROMIUM_PATH=${process.env.CHROMIUM_PATH} is no browser that starts. Correct it, or unset it.` }
  }
  const path = (await findBrowser()) ?? (await download()) ?? (await installFromDistribution())
  if (!path) {
    return {
      problem: `No Chromium was found. Install one (${installCommand(packages)}), or name one: CHROMIUM_PATH=/path/to/chromium`,
    }
  }
  const taken = candidates().find((candidate) => which(candidate))
  if (taken === path) return { path }
  return { problem: `${taken} is no browser that starts, but ${path} is. Write CHROMIUM_PATH=${path} into .env` }
}

async function findBrowser() {
  for (const path of candidates()) {
    if (which(path) && (await starts(path))) return path
  }
  return undefined
}

function candidates() {
  return [...usualPaths, ...downloaded()]
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
  // Puppeteer knows where its builds are; nothing of the build is fetched here.
  const { getDownloadUrl, detectBrowserPlatform, Browser } = requireOfLibrary()('@puppeteer/browsers')
  const platform = detectBrowserPlatform()
  if (!platform) return false
  const where = new URL('/', getDownloadUrl(Browser.CHROME, platform, '0'))
  // Chrome for Testing has no build for ARM on Linux.
  if (process.arch !== 'x64') return false
  try {
    const answer = await fetch(where, { method: 'HEAD', signal: AbortSignal.timeout(5_000) })
    return answer.status < 500
  } catch {
    return false
  }
}

/** Resolves what puppeteer itself uses, wherever npm put it. */
function requireOfLibrary() {
  const fromLibrary = createRequire(createRequire(import.meta.url).resolve('whatsapp-web.js'))
  return createRequire(fromLibrary.resolve('puppeteer'))
}

async function download() {
  if (!(await canDownload())) return undefined
  const cli = join(requireOfLibrary().resolve('puppeteer'), '..', 'node', 'cli.js')
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

async function installFromDistribution() {
  if (!canInstall) return undefined
  const title = `no Chromium on this machine, and none to download; installing ${packages[packageManager].join(', ')}`
  try {
    await step(title, () => installSystemPackages(packages))
  } catch (error) {
    if (!(error instanceof SetupError)) throw error
    say(error.message)
  }
  return findBrowser()
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  await main(async () => {
    const { path, problem } = await ensureBrowser()
    if (problem) throw new SetupError(problem)
    console.log(path)
  })
}
