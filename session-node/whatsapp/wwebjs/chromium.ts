import { accessSync, constants, readdirSync, statSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { AppError } from '../../../runtime/app-error.js'

export interface BrowserSettings {
  /** The executable, or a wrapper script around one. Found on the machine when absent. */
  chromiumPath?: string | undefined
  /** Flags added after ours. */
  chromiumArgs?: string[] | undefined
  /** `shell`: the headless shell, which needs less memory. */
  headless?: 'new' | 'shell' | undefined
  /** Chromium refuses to run as root without it. Only by explicit setting. */
  noSandbox?: boolean | undefined
  /** The environment that browsers run in. */
  environment?: NodeJS.ProcessEnv | undefined
}

const usualPaths = {
  new: [
    '/usr/bin/chromium',
    '/usr/bin/chromium-browser',
    '/usr/bin/google-chrome-stable',
    '/usr/bin/google-chrome',
    '/usr/local/bin/chromium',
    '/snap/bin/chromium',
    '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
  ],
  shell: ['/usr/bin/chromium-headless-shell', '/usr/local/bin/chromium-headless-shell'],
}
const inPuppeteersCache = {
  new: { folder: 'chrome', executables: ['chrome-linux64/chrome', 'chrome-linux/chrome'] },
  shell: {
    folder: 'chrome-headless-shell',
    executables: ['chrome-headless-shell-linux64/chrome-headless-shell'],
  },
}

/**
 * Measured on Debian's Chromium: these halve what each further browser costs. The largest cost that they end is a
 * renderer of Chromium's own for an omnibox popup which no headless browser shows.
 */
const leanFlags = [
  '--disable-features=WebUIOmniboxPopup,WebUIOmniboxAimPopup,SpareRendererForSitePerProcess',
  '--enable-features=NetworkServiceInProcess2',
  '--disable-software-rasterizer',
  '--disable-gpu',
  // Without a GPU there is nothing for a GPU process to do, and then nothing for the zygote that would fork it.
  '--in-process-gpu',
  '--no-unsandboxed-zygote',
  '--disable-dev-shm-usage',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--disable-extensions',
  '--no-first-run',
  '--no-default-browser-check',
  '--mute-audio',
  // The dialogs of WhatsApp Web are known by their words.
  '--lang=en-US',
]

/** The flags of a browser, ours first. A marker tells people which session a process in `ps` belongs to. */
export function browserFlags(settings: BrowserSettings, sessionId: string): string[] {
  return [
    ...leanFlags,
    ...(settings.noSandbox ? ['--no-sandbox', '--disable-setuid-sandbox'] : []),
    `--switchboard-session=${sessionId}`,
    ...(settings.chromiumArgs ?? []),
  ]
}

/** Throws `unavailable` (`browser_missing`) when there is none. */
export function getChromium(settings: BrowserSettings): string {
  const path = findChromium(settings)
  if (path !== undefined) return path
  throw new AppError('unavailable', browserProblem(settings) ?? 'There is no Chromium.', { reason: 'browser_missing' })
}

/** Why no browser can be started here, as a sentence; undefined when one can. */
export function browserProblem(settings: BrowserSettings): string | undefined {
  if (findChromium(settings) !== undefined) return undefined
  if (settings.chromiumPath !== undefined) return `CHROMIUM_PATH names no executable file: ${settings.chromiumPath}`
  return 'No Chromium was found on this machine. Install the package chromium, or name one in CHROMIUM_PATH.'
}

export function findChromium(settings: BrowserSettings): string | undefined {
  if (settings.chromiumPath !== undefined) {
    return isExecutable(settings.chromiumPath) ? settings.chromiumPath : undefined
  }
  const kinds = settings.headless === 'shell' ? (['shell', 'new'] as const) : (['new'] as const)
  for (const kind of kinds) {
    const found = [...usualPaths[kind], ...cached(kind)].find(isExecutable)
    if (found !== undefined) return found
  }
  return undefined
}

/** What puppeteer downloaded, newest first. */
function cached(kind: 'new' | 'shell'): string[] {
  const { folder, executables } = inPuppeteersCache[kind]
  const cache = join(projectRoot(), '.cache', 'puppeteer', folder)
  return listed(cache)
    .sort((a, b) => b.localeCompare(a, 'en', { numeric: true }))
    .flatMap((version) => executables.map((executable) => join(cache, version, executable)))
}

/** Where package.json is: this file runs from the sources and from dist/. */
function projectRoot(): string {
  let folder = import.meta.dirname
  while (!listed(folder).includes('package.json')) {
    const above = dirname(folder)
    if (above === folder) return process.cwd()
    folder = above
  }
  return folder
}

function listed(folder: string): string[] {
  try {
    return readdirSync(folder)
  } catch {
    return []
  }
}

// Checked before each launch: puppeteer, talking over a pipe, lets a failed spawn end the process.
function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return statSync(path).isFile()
  } catch {
    return false
  }
}
