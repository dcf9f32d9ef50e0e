import type { Logger } from '../../../runtime/log.js'
import { browserFlags, type BrowserSettings } from './chromium.js'
import { oneLine } from './deadline.js'
import { Client, type ClientInternals, type LibraryClient, type LibraryOptions } from './library.js'
import type { ProfileAuth } from './profile-auth.js'

interface LibraryClientOptions {
  executablePath: string
  settings: BrowserSettings
  sessionId: string
  /** For what the browser puts among the temporary files. */
  temporaryDir: string
  auth: ProfileAuth
  /** Ends a launch that is not finished. */
  signal: AbortSignal
  /** The library's helpers are in the page, and it is about to listen. */
  beforeListening: () => Promise<void>
  listening: () => void
  isEnding: () => boolean
  log: Logger
}

/** Has esbuild's helper, which tsx and vitest put into functions that are sent to the page, mean nothing there. */
const defineName = 'globalThis.__name ??= (given) => given'

/**
 * A client of the library with these inner parts replaced: it does not keep the page's source, nor end the browser by
 * itself (whoever supervises the session does, and proves it), and its work on later loads of the page fails in the log
 * instead of as an unhandled rejection.
 */
export function createLibraryClient(given: LibraryClientOptions): LibraryClient {
  const { settings, sessionId, signal, log } = given
  const client = new Client({
    authStrategy: given.auth,
    evalOnNewDoc: defineName as unknown as Exclude<LibraryOptions['evalOnNewDoc'], undefined>,
    webVersionCache: { type: 'none' },
    // Ours are counted by Linking; the library's own limit is only a second net.
    qrMaxRetries: 20,
    takeoverOnConflict: false,
    puppeteer: {
      executablePath: given.executablePath,
      headless: settings.headless === 'shell' ? 'shell' : true,
      args: browserFlags(settings, sessionId),
      env: { ...settings.environment, TMPDIR: given.temporaryDir },
      // Over a pipe Chromium ends by itself when this process does, even by kill -9.
      pipe: true,
      handleSIGINT: false,
      handleSIGTERM: false,
      handleSIGHUP: false,
      timeout: 45_000,
      // Every call has a shorter deadline of our own, but the upload of a large file over a slow line takes minutes.
      protocolTimeout: 330_000,
      signal,
    },
  })
  const inner = client as unknown as ClientInternals

  const inject = inner.inject.bind(client)
  let first = true
  inner.inject = async () => {
    if (first) {
      first = false
      return retryOnNavigation(inject, log)
    }
    await inject().catch((thrown: unknown) => {
      if (!given.isEnding()) log.warn({ problem: oneLine(thrown) }, 'whatsapp.reinject_failed')
    })
  }

  const attachEventListeners = inner.attachEventListeners.bind(client)
  inner.attachEventListeners = async () => {
    await given.beforeListening()
    await attachEventListeners()
    given.listening()
  }

  inner.initWebVersionCache = async () => undefined
  inner.destroy = async () => undefined
  return client
}

/** The library hears of navigations only after its first injection: one that falls into it has to be caught here. */
async function retryOnNavigation(inject: () => Promise<void>, log: Logger): Promise<void> {
  for (let left = 2; ; left -= 1) {
    try {
      return await inject()
    } catch (thrown) {
      if (left === 0 || !/context was destroyed|navigation|detached Frame/i.test(oneLine(thrown))) throw thrown
      log.warn({ problem: oneLine(thrown) }, 'whatsapp.inject_repeated')
    }
  }
}
