import type { OutgoingMessage } from '../../../proto/contract.js'
import type { Reason } from '../../../proto/reasons.js'
import { AppError } from '../../../runtime/app-error.js'
import type { Logger } from '../../../runtime/log.js'
import type { ClientEvent, ClientOptions, Probe, SendOutcome, Trace, WhatsAppClient } from '../whatsapp-client.js'
import { BrowserLife } from './browser-life.js'
import { getChromium, type BrowserSettings } from './chromium.js'
import { isTimeout, oneLine, within } from './deadline.js'
import { createLibraryClient } from './library-client.js'
import type { LibraryClient, Page } from './library.js'
import { Linking } from './linking.js'
import { lookBack } from './look-back.js'
import { MediaDownload } from './media-download.js'
import { PageApi } from './page-api.js'
import type { PageEvent } from './page/page-types.js'
import { ProfileAuth } from './profile-auth.js'
import { Profile } from './profile.js'
import { Readiness } from './readiness.js'
import { Receiving } from './receiving.js'
import { Sending } from './sending.js'
import { endBrowserTree } from './process-tree.js'
import { findTrace } from './trace.js'

const launchMs = 60_000
/** A page that loads itself anew is not dead; for so long its silence is excused. */
const navigationGraceMs = 60_000

/** The real engine: whatsapp-web.js in a Chromium of its own. */
export function createWwebjsClient(options: ClientOptions, browser: BrowserSettings): WhatsAppClient {
  return new WwebjsClient(options, browser)
}

class WwebjsClient implements WhatsAppClient {
  readonly #log: Logger
  readonly #ending = new AbortController()
  /** Kills a browser that puppeteer is starting; one that is up is closed instead, so that it can write what it holds. */
  readonly #cutOff = new AbortController()
  readonly #profile: Profile
  readonly #browser: BrowserLife
  readonly #page: PageApi
  readonly #sending: Sending
  readonly #receiving: Receiving
  readonly #linking: Linking
  readonly #readiness: Readiness
  #client: LibraryClient | undefined
  #launch: Promise<void> | undefined
  #stop: Promise<void> | undefined
  /** Told the last thing of this life: that it died, was unlinked, blocked or not scanned. */
  #over = false
  #listening = false
  #libraryReady = false
  #connected = false
  #lineUp = true
  #loggingOut = false
  #navigatedAt = 0
  #documents = 0
  #me = ''

  constructor(
    private readonly options: ClientOptions,
    private readonly settings: BrowserSettings,
  ) {
    this.#log = options.log
    const { signal } = this.#ending
    const tell = (event: ClientEvent) => this.#tell(event)
    this.#profile = new Profile(options.profileDir, this.#log)
    this.#browser = new BrowserLife(
      this.#profile.userDataDir,
      (reason, detail) => this.#died(reason, detail),
      this.#log,
    )
    this.#page = new PageApi(() => this.#openPage())
    this.#sending = new Sending(() => this.#library(), this.#page, options.media, tell)
    this.#receiving = new Receiving({
      tell,
      isOurs: (id) => this.#sending.sent(id) || options.isOurs?.(id) === true,
      isOwnReaction: (parentId, emoji) => this.#sending.isOwnReaction(parentId, emoji),
      me: () => this.#me,
      media: new MediaDownload(this.#page, options.media, signal, this.#log),
      log: this.#log,
    })
    this.#linking = new Linking({
      client: () => this.#library(),
      page: this.#page,
      tell,
      scanned: () => this.#readiness.watch(),
      wasLinked: () => this.#profile.wasLinked(),
      signal,
      clock: options.clock,
      log: this.#log,
    })
    this.#readiness = new Readiness({
      page: this.#page,
      isReady: () => this.#connected,
      late: (detail) => this.#died('ready_timeout', detail),
      signal,
      log: this.#log,
    })
  }

  get pid(): number | undefined {
    return this.#browser.pid
  }

  async start(): Promise<void> {
    if (this.#launch || this.#stop) throw new AppError('conflict', 'This client was started before.')
    this.#launch = this.#launchBrowser()
    this.#launch.catch(() => undefined)
    try {
      await within(this.#launch, launchMs, 'The start of the browser')
    } catch (thrown) {
      if (this.#stop) throw new AppError('unavailable', 'The session was stopped while it was being started.')
      await this.stop()
      if (thrown instanceof AppError && !isTimeout(thrown)) throw thrown
      throw new AppError('unavailable', `The browser could not be started: ${oneLine(thrown)}`, {
        reason: 'launch_failed',
        cause: thrown,
      })
    }
  }

  stop(): Promise<void> {
    this.#stop ??= this.#end().catch((thrown: unknown) => {
      // What could not be ended may be asked to end again.
      this.#stop = undefined
      throw thrown
    })
    return this.#stop
  }

  async logout(): Promise<void> {
    this.#mustBeConnected()
    this.#loggingOut = true
    const asked = this.#openPage().evaluate(`window.require('WAWebSocketModel').Socket.logout()`)
    await within(asked, 15_000, 'The logout').catch((thrown: unknown) => {
      // Leaving the page may cut off its own answer.
      if (!isTimeout(thrown)) return
      this.#loggingOut = false
      throw thrown
    })
    await this.#profile.markUnlinked()
  }

  requestPairingCode(phone: string): Promise<string> {
    return this.#linking.requestCode(phone)
  }

  async screenshot(): Promise<Buffer> {
    const shot = this.#openPage().screenshot({ type: 'png' })
    return Buffer.from(await within(shot, 15_000, 'The screenshot'))
  }

  async checkNumber(phone: string): Promise<string | undefined> {
    this.#mustBeConnected()
    return this.#sending.chatOfNumber(`${phone.replace(/\D/g, '')}@c.us`)
  }

  async send(message: OutgoingMessage): Promise<SendOutcome> {
    if (!this.#connected)
      return { outcome: 'unknown', reason: 'outcome_unknown', error: 'The session is not connected.' }
    return this.#sending.send(message)
  }

  async findTrace(message: { waMessageId: string; to: string }): Promise<Trace> {
    this.#mustBeConnected()
    return findTrace(this.#page, this.#sending, message)
  }

  async lookBack(since: number): Promise<void> {
    this.#mustBeConnected()
    await lookBack(this.#page, this.#receiving, since, this.#log)
  }

  async memoryBytes(): Promise<number> {
    return this.#browser.pssBytes()
  }

  async probe(): Promise<Probe> {
    if (!this.#browser.isAlive) return { alive: false, reason: 'browser_crashed', detail: 'The browser is gone.' }
    try {
      await this.#page.answers(5_000)
      const health = await this.#page.health()
      if (!this.#connected || health.hooked) return { alive: true }
      if (this.#isNavigating()) return { alive: true }
      return { alive: false, reason: 'page_unresponsive', detail: 'The page lost our scripts.' }
    } catch (thrown) {
      if (this.#isNavigating()) return { alive: true }
      return { alive: false, reason: 'page_unresponsive', detail: oneLine(thrown) }
    }
  }

  async #launchBrowser(): Promise<void> {
    const executablePath = getChromium(this.settings)
    await this.#profile.prepare()
    if (this.#ending.signal.aborted) return
    const auth = new ProfileAuth(this.#profile.userDataDir, (client) => this.#browserReady(client))
    const client = createLibraryClient({
      executablePath,
      settings: this.settings,
      sessionId: this.options.sessionId,
      auth,
      signal: this.#cutOff.signal,
      beforeListening: () => this.#beforeListening(),
      listening: () => {
        this.#listening = true
        this.#readyIfBoth()
      },
      log: this.#log,
    })
    this.#client = client
    this.#listen(client)
    try {
      await client.initialize()
    } catch (thrown) {
      if (this.#ending.signal.aborted || !(await this.#tellIfUnsupported())) throw thrown
      return
    }
    const { state } = await this.#page.health()
    if (state !== null) this.#onState(state)
    if (state !== 'UNPAIRED' && state !== 'UNPAIRED_IDLE') this.#readiness.watch()
  }

  #listen(client: LibraryClient): void {
    client.on('qr', (qr) => {
      this.#linking.onQr(qr).catch((thrown: unknown) => this.#log.warn({ problem: oneLine(thrown) }, 'qr.failed'))
    })
    client.on('loading_screen', () => this.#readiness.progress())
    client.on('authenticated', () => this.#readiness.progress())
    client.on('ready', () => {
      this.#libraryReady = true
      this.#readyIfBoth()
    })
    client.on('disconnected', (reason) => {
      if (String(reason) === 'LOGOUT') this.#loggedOut()
    })
    this.#receiving.attach(client)
  }

  /** The browser is up and the page is still empty: whatever comes is heard. */
  async #browserReady(client: LibraryClient): Promise<void> {
    const { pupBrowser: browser, pupPage: page } = client
    // On a logout the library asks for its strategy once more.
    if (!browser || !page || this.#documents > 0 || this.#browser.pid !== undefined) return
    this.#browser.watch(browser, page)
    page.on('domcontentloaded', () => this.#newDocument())
    await page.exposeFunction('onSwitchboardEvent', (event: PageEvent) => this.#receiving.told(event))
    // Instead of the library's own, which only throws: it wants a `window` here.
    await page.exposeFunction('onAuthAppStateChangedEvent', (state: string) => this.#onState(state))
  }

  #newDocument(): void {
    this.#documents += 1
    this.#navigatedAt = performance.now()
    this.#listening = false
    this.#libraryReady = false
    if (!this.#connected) return
    this.#connected = false
    this.#line(false)
    this.#readiness.watch()
  }

  async #beforeListening(): Promise<void> {
    const missing = await this.#page.missingWhenLinked()
    if (missing.length > 0) {
      this.#last({ kind: 'blocked', reason: 'web_version_unsupported', detail: `Missing: ${missing.join(', ')}` })
      throw new Error('This version of WhatsApp Web is not supported.')
    }
    await this.#page.install()
  }

  /** The library says `ready` again and again, and sometimes before it listens. */
  #readyIfBoth(): void {
    if (!this.#listening || !this.#libraryReady || this.#connected || this.#over) return
    this.#becomeConnected().catch((thrown: unknown) => {
      this.#log.warn({ problem: oneLine(thrown) }, 'whatsapp.not_ready')
    })
  }

  async #becomeConnected(): Promise<void> {
    const { phone, lid, pushName, webVersion } = await this.#page.me()
    if (this.#connected || this.#over || this.#ending.signal.aborted) return
    this.#me = phone
    this.#connected = true
    await this.#profile.markLinked(this.options.clock())
    this.#lineUp = true
    this.#tell({
      kind: 'connected',
      phone: phone.replace(/@.*$/, ''),
      ...(lid !== '' && { lid }),
      ...(pushName !== '' && { pushName }),
      ...(webVersion !== '' && { webVersion }),
    })
  }

  #onState(state: string): void {
    switch (state) {
      case 'CONFLICT':
        return this.#last({ kind: 'blocked', reason: 'conflict' })
      case 'TOS_BLOCK':
      case 'SMB_TOS_BLOCK':
        return this.#last({ kind: 'blocked', reason: 'banned' })
      case 'DEPRECATED_VERSION':
        return this.#last({ kind: 'blocked', reason: 'web_version_unsupported' })
      case 'PROXYBLOCK':
        return this.#died('connection_lost', 'A proxy on the way blocks WhatsApp.')
      case 'UNPAIRED':
      case 'UNPAIRED_IDLE':
        if (this.#me !== '') return this.#loggedOut()
    }
    if (this.#connected) return this.#line(state === 'CONNECTED')
    this.#readiness.progress()
    this.#linking.onState(state)
  }

  #line(up: boolean): void {
    if (this.#lineUp === up) return
    this.#lineUp = up
    this.#tell({ kind: 'line', up })
  }

  #loggedOut(): void {
    if (!this.#loggingOut) this.#last({ kind: 'logged_out', reason: 'logged_out_by_phone' })
  }

  #died(reason: Reason, detail: string): void {
    this.#last({ kind: 'died', reason, detail })
  }

  #last(event: ClientEvent): void {
    this.#tell(event)
  }

  #tell(event: ClientEvent): void {
    if (this.#over || this.#ending.signal.aborted) return
    if (lastWords.has(event.kind)) {
      this.#over = true
      this.#connected = false
    }
    if (event.kind === 'logged_out') {
      this.#profile.markUnlinked().catch((err: unknown) => this.#log.warn({ err }, 'profile.not_marked'))
    }
    this.options.listener(event)
  }

  async #tellIfUnsupported(): Promise<boolean> {
    const missing = await this.#page.missingToPair().catch((): string[] => [])
    // Without any module the page is something else: an error page, or one that is still loading.
    if (missing.length === 0 || missing.includes('WAWebSocketModel.Socket')) return false
    this.#last({ kind: 'blocked', reason: 'web_version_unsupported', detail: `Missing: ${missing.join(', ')}` })
    return true
  }

  /** A launch that is under way is cut off first: a browser may come up after the library said that it had ended. */
  async #end(): Promise<void> {
    this.#ending.abort()
    this.#connected = false
    this.#client?.removeAllListeners()
    let launching = true
    const launched = (this.#launch ?? Promise.resolve()).then(
      () => (launching = false),
      () => (launching = false),
    )
    if (!this.#client?.pupBrowser) {
      this.#cutOff.abort()
      while (launching) {
        await endBrowserTree(this.#profile.userDataDir, { termMs: 0 })
        await within(launched, 100, 'The launch').catch(() => undefined)
      }
    }
    await this.#browser.end()
    await within(launched, 10_000, 'The launch').catch(() => undefined)
    await this.#browser.end()
  }

  #isNavigating(): boolean {
    return performance.now() - this.#navigatedAt < navigationGraceMs
  }

  #library(): LibraryClient {
    if (!this.#client) throw new AppError('not_ready', 'The session is not started.')
    return this.#client
  }

  #openPage(): Page {
    const page = this.#client?.pupPage
    if (!page || this.#ending.signal.aborted) throw new AppError('not_ready', 'The session is not started.')
    return page
  }

  #mustBeConnected(): void {
    if (!this.#connected) throw new AppError('not_ready', 'The session is not connected.')
  }
}

const lastWords = new Set<ClientEvent['kind']>(['died', 'logged_out', 'blocked', 'qr_expired'])
