import type { OutgoingMessage } from '../../../proto/contract.js'
import type { Reason } from '../../../proto/reasons.js'
import { AppError } from '../../../runtime/app-error.js'
import type { Logger } from '../../../runtime/log.js'
import type { ClientOptions, Probe, SendOutcome, Trace, Usage, WhatsAppClient } from '../whatsapp-client.js'
import { BrowserLife } from './browser-life.js'
import { getChromium, type BrowserSettings } from './chromium.js'
import { isTimeout, oneLine, within } from './deadline.js'
import { createLibraryClient } from './library-client.js'
import type { LibraryClient, Page } from './library.js'
import { Linking } from './linking.js'
import { lookBack } from './look-back.js'
import { MediaDownload } from './media-download.js'
import { dismissOnboarding } from './onboarding.js'
import { PageApi } from './page-api.js'
import { PageLife } from './page-life.js'
import { People } from './people.js'
import type { PageEvent } from './page/page-types.js'
import { endBrowserTree } from './process-tree.js'
import { ProfileAuth } from './profile-auth.js'
import { Profile } from './profile.js'
import { Readiness } from './readiness.js'
import { Receiving } from './receiving.js'
import { Sending } from './sending.js'
import { Telling } from './telling.js'
import { defaultTiming, type Timing } from './timing.js'
import { findTrace } from './trace.js'

/** The real engine: whatsapp-web.js in a Chromium of its own. */
export function createWwebjsClient(
  options: ClientOptions,
  browser: BrowserSettings,
  timing: Partial<Timing> = {},
): WhatsAppClient {
  return new WwebjsClient(options, browser, { ...defaultTiming, ...timing })
}

class WwebjsClient implements WhatsAppClient {
  readonly #log: Logger
  readonly #ending = new AbortController()
  /** Kills a browser that puppeteer is starting; one that is up is closed instead, so that it can write what it holds. */
  readonly #cutOff = new AbortController()
  readonly #telling: Telling
  readonly #profile: Profile
  readonly #browser: BrowserLife
  readonly #page: PageApi
  readonly #life: PageLife
  readonly #sending: Sending
  readonly #receiving: Receiving
  readonly #linking: Linking
  #client: LibraryClient | undefined
  #launch: Promise<void> | undefined
  #failLaunch: ((problem: AppError) => void) | undefined
  #stop: Promise<void> | undefined

  constructor(
    private readonly options: ClientOptions,
    private readonly settings: BrowserSettings,
    private readonly timing: Timing,
  ) {
    const { log, clock, media, profileDir, listener } = options
    const { signal } = this.#ending
    this.#log = log
    this.#telling = new Telling(listener, signal)
    const { tell } = this.#telling
    this.#profile = new Profile(profileDir, log)
    this.#browser = new BrowserLife(this.#profile.userDataDir, (reason, detail) => this.#died(reason, detail), log)
    this.#page = new PageApi(() => this.#openPage(), timing.answerMs)
    this.#sending = new Sending(() => this.#library(), this.#page, media, tell, timing.sendMs)
    this.#receiving = new Receiving({
      tell,
      isOurs: (id) => this.#sending.sent(id) || options.isOurs?.(id) === true,
      isOwnReaction: (parentId, emoji) => this.#sending.isOwnReaction(parentId, emoji),
      me: () => this.#life.me,
      media: new MediaDownload(this.#page, media, signal, log),
      people: new People({ ask: (lids) => this.#page.lookUpPeople(lids), log }),
      log,
    })
    const readiness = new Readiness({
      page: this.#page,
      isReady: () => this.#life.connected,
      syncHeard: () => this.#life.syncHeard,
      late: (detail) => this.#died('ready_timeout', detail),
      timing,
      signal,
      log,
    })
    this.#linking = new Linking({
      client: () => this.#library(),
      page: this.#page,
      profile: this.#profile,
      tell,
      scanned: () => {
        readiness.watch()
        void dismissOnboarding(this.#page, signal, log)
      },
      confirmUnlinkedMs: timing.confirmUnlinkedMs,
      signal,
      clock,
      log,
    })
    this.#life = new PageLife({
      page: this.#page,
      profile: this.#profile,
      linking: this.#linking,
      readiness,
      telling: this.#telling,
      clock,
      log,
    })
  }

  get pid(): number | undefined {
    return this.#browser.pid
  }

  async start(): Promise<void> {
    if (this.#launch || this.#stop) throw new AppError('conflict', 'This client was started before.')
    const broken = new Promise<never>((_resolve, reject) => (this.#failLaunch = reject))
    // Both are looked at below; one that fails after the other has decided must not count as unhandled.
    broken.catch(() => undefined)
    this.#launch = this.#launchBrowser()
    this.#launch.catch(() => undefined)
    try {
      await within(Promise.race([this.#launch, broken]), this.timing.launchMs, 'The start of the browser')
    } catch (thrown) {
      if (this.#stop) throw new AppError('unavailable', 'The session was stopped while it was being started.')
      await this.stop()
      if (thrown instanceof AppError && !isTimeout(thrown)) throw thrown
      throw new AppError('unavailable', `The browser could not be started: ${oneLine(thrown)}`, {
        reason: 'launch_failed',
        cause: thrown,
      })
    } finally {
      this.#failLaunch = undefined
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
    this.#life.leaving(true)
    const asked = this.#openPage().evaluate(`window.require('WAWebSocketModel').Socket.logout()`)
    await within(asked, 15_000, 'The logout').catch((thrown: unknown) => {
      // Leaving the page may cut off its own answer.
      if (!isTimeout(thrown)) return
      this.#life.leaving(false)
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
    if (this.#life.connected) return this.#sending.send(message)
    return { outcome: 'unknown', reason: 'outcome_unknown', error: 'The session is not connected.' }
  }

  async findTrace(message: { waMessageId: string; to: string }): Promise<Trace> {
    this.#mustBeConnected()
    return findTrace(this.#page, this.#sending, message)
  }

  async lookBack(since: number): Promise<void> {
    this.#mustBeConnected()
    await lookBack(this.#page, this.#receiving, since, this.#log)
  }

  async usage(): Promise<Usage> {
    return this.#browser.usage()
  }

  async probe(): Promise<Probe> {
    if (!this.#browser.isAlive) return { alive: false, reason: 'browser_crashed', detail: 'The browser is gone.' }
    let detail = 'The page lost our scripts.'
    try {
      await this.#page.answers()
      const { hooked } = await this.#page.health()
      if (hooked || !this.#life.connected) return { alive: true }
    } catch (thrown) {
      detail = oneLine(thrown)
    }
    return this.#life.isNavigating ? { alive: true } : { alive: false, reason: 'page_unresponsive', detail }
  }

  async #launchBrowser(): Promise<void> {
    const executablePath = getChromium(this.settings)
    const temporaryDir = await this.#profile.prepare()
    if (this.#ending.signal.aborted) return
    const client = createLibraryClient({
      executablePath,
      settings: this.settings,
      sessionId: this.options.sessionId,
      temporaryDir,
      auth: new ProfileAuth(this.#profile.userDataDir, (given) => this.#browserReady(given)),
      signal: this.#cutOff.signal,
      beforeListening: () => this.#life.beforeListening(),
      listening: () => this.#life.listening(),
      isEnding: () => this.#telling.over,
      log: this.#log,
    })
    this.#client = client
    client.on('qr', (qr) => {
      this.#linking.onQr(qr).catch((thrown: unknown) => this.#log.warn({ problem: oneLine(thrown) }, 'qr.failed'))
    })
    this.#life.listenTo(client)
    this.#receiving.attach(client)
    try {
      await client.initialize()
    } catch (thrown) {
      if (this.#ending.signal.aborted || !(await this.#life.toldUnsupported())) throw thrown
      return
    }
    await this.#life.launched()
  }

  /** The browser is up and the page is still empty: whatever comes is heard. */
  async #browserReady({ pupBrowser: browser, pupPage: page }: LibraryClient): Promise<void> {
    // On a logout the library asks its strategy for a new browser that it does not start.
    if (!browser || !page || this.#browser.pid !== undefined) return
    this.#browser.watch(browser, page)
    await this.#life.watch(page)
    await page.exposeFunction('onSwitchboardEvent', (event: PageEvent) => this.#receiving.told(event))
  }

  #died(reason: Reason, detail: string): void {
    if (this.#failLaunch) return this.#failLaunch(new AppError('unavailable', detail, { reason }))
    this.#telling.tell({ kind: 'died', reason, detail })
  }

  /** A launch that is under way is cut off first: a browser may come up after the library said that it had ended. */
  async #end(): Promise<void> {
    this.#ending.abort()
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
        // Not over yet: what it has started meanwhile is ended in the next turn.
        await within(launched, 100, 'The launch').catch(() => undefined)
      }
    }
    await this.#browser.end()
    await within(launched, 10_000, 'The launch').catch(() => undefined)
    await this.#browser.end()
    await this.#profile.removeTemporaryDir()
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
    if (!this.#life.connected) throw new AppError('not_ready', 'The session is not connected.')
  }
}
