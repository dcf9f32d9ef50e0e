import type { Clock } from '../../../runtime/clock.js'
import type { Logger } from '../../../runtime/log.js'
import { oneLine } from './deadline.js'
import type { LibraryClient, Page } from './library.js'
import type { Linking } from './linking.js'
import type { PageApi } from './page-api.js'
import type { Profile } from './profile.js'
import type { Readiness } from './readiness.js'
import type { Telling } from './telling.js'

/** A page that loads itself anew is not dead; for so long its silence is excused. */
const navigationGraceMs = 60_000

interface Dependencies {
  page: PageApi
  profile: Profile
  linking: Linking
  readiness: Readiness
  telling: Telling
  clock: Clock
  log: Logger
}

/** What the page goes through: linked or not, ready, off the line, loaded anew. */
export class PageLife {
  /** Our own chat id, once known. */
  me = ''
  #connected = false
  #lineUp = true
  #listening = false
  #libraryReady = false
  #syncHeard = false
  #leaving = false
  #navigatedAt = -navigationGraceMs

  constructor(private readonly uses: Dependencies) {}

  get connected(): boolean {
    return this.#connected && !this.uses.telling.over
  }

  /** Whether the library has heard that this load of the page is synced. */
  get syncHeard(): boolean {
    return this.#syncHeard
  }

  get isNavigating(): boolean {
    return performance.now() - this.#navigatedAt < navigationGraceMs
  }

  /** Before the page is loaded for the first time. */
  async watch(page: Page): Promise<void> {
    page.on('domcontentloaded', () => this.#newDocument())
    // Instead of the library's own, which only throws: it wants a `window` here.
    await page.exposeFunction('onAuthAppStateChangedEvent', (state: string) => this.onState(state))
  }

  /** The library's events. It says `ready` again and again, and sometimes before it listens. */
  listenTo(client: LibraryClient): void {
    client.on('loading_screen', () => this.uses.readiness.progress())
    client.on('authenticated', () => {
      this.#syncHeard = true
      this.uses.readiness.progress()
    })
    client.on('ready', () => {
      this.#libraryReady = true
      this.#readyIfBoth()
    })
    client.on('disconnected', (reason) => {
      if (String(reason) === 'LOGOUT') this.#loggedOut()
    })
  }

  /** The library has its helpers in the page and is about to listen: our scripts go in before. */
  async beforeListening(): Promise<void> {
    const { page } = this.uses
    const missing = await page.missingWhenLinked()
    if (missing.length > 0) {
      this.#unsupported(missing)
      throw new Error('This version of WhatsApp Web is not supported.')
    }
    await page.install()
  }

  listening(): void {
    this.#listening = true
    this.#readyIfBoth()
  }

  /** After the launch: a page that shows no QR code knows its account. */
  async launched(): Promise<void> {
    const { state } = await this.uses.page.health()
    if (state !== null) this.onState(state)
    if (state === 'UNPAIRED' || state === 'UNPAIRED_IDLE' || this.#connected) return
    this.uses.telling.tell({ kind: 'authenticated' })
    this.uses.readiness.watch()
  }

  /** Whether a launch failed because WhatsApp Web is not what the library knows; then that has been told. */
  async toldUnsupported(): Promise<boolean> {
    const missing = await this.uses.page.missingToPair().catch((): string[] => [])
    // Without any module the page is something else: an error page, or one that is still loading.
    if (missing.length === 0 || missing.includes('WAWebSocketModel.Socket')) return false
    this.#unsupported(missing)
    return true
  }

  /** A logout that was asked for is not one by the phone. */
  leaving(leaving: boolean): void {
    this.#leaving = leaving
  }

  onState(state: string): void {
    const { telling } = this.uses
    switch (state) {
      case 'CONFLICT':
        return telling.tell({ kind: 'blocked', reason: 'conflict' })
      case 'TOS_BLOCK':
      case 'SMB_TOS_BLOCK':
        return telling.tell({ kind: 'blocked', reason: 'banned' })
      case 'DEPRECATED_VERSION':
        return telling.tell({ kind: 'blocked', reason: 'web_version_unsupported' })
      case 'PROXYBLOCK':
        return telling.tell({ kind: 'died', reason: 'connection_lost', detail: 'A proxy on the way blocks WhatsApp.' })
      case 'UNPAIRED':
      case 'UNPAIRED_IDLE':
        if (this.me !== '') return this.#loggedOut()
    }
    if (this.#connected) return this.#line(state === 'CONNECTED')
    this.uses.readiness.progress()
    this.uses.linking.onState(state)
  }

  #newDocument(): void {
    this.#listening = false
    this.#libraryReady = false
    this.#syncHeard = false
    if (!this.#connected) return
    this.#navigatedAt = performance.now()
    this.#connected = false
    this.#line(false)
    this.uses.readiness.watch()
  }

  #readyIfBoth(): void {
    if (!this.#listening || !this.#libraryReady || this.#connected || this.uses.telling.over) return
    this.#becomeConnected().catch((thrown: unknown) => {
      this.uses.log.warn({ problem: oneLine(thrown) }, 'whatsapp.not_ready')
    })
  }

  async #becomeConnected(): Promise<void> {
    const { page, profile, telling, clock } = this.uses
    const { phone, lid, pushName, webVersion } = await page.me()
    if (this.#connected || telling.over) return
    this.me = phone
    this.#connected = true
    this.#lineUp = true
    await profile.markLinked(clock())
    telling.tell({
      kind: 'connected',
      phone: phone.replace(/@.*$/, ''),
      ...(lid !== '' && { lid }),
      ...(pushName !== '' && { pushName }),
      ...(webVersion !== '' && { webVersion }),
    })
  }

  #line(up: boolean): void {
    if (this.#lineUp === up) return
    this.#lineUp = up
    this.uses.telling.tell({ kind: 'line', up })
  }

  #loggedOut(): void {
    if (this.#leaving) return
    // Otherwise the next QR code in this profile would be taken for one more logout.
    this.uses.profile.markUnlinked().catch((err: unknown) => this.uses.log.warn({ err }, 'profile.not_marked'))
    this.uses.telling.tell({ kind: 'logged_out', reason: 'logged_out_by_phone' })
  }

  #unsupported(missing: string[]): void {
    const detail = `Missing in WhatsApp Web: ${missing.join(', ')}`
    this.uses.telling.tell({ kind: 'blocked', reason: 'web_version_unsupported', detail })
  }
}
