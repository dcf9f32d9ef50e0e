import { AppError } from '../../../runtime/app-error.js'
import { sleep, type Clock } from '../../../runtime/clock.js'
import type { Logger } from '../../../runtime/log.js'
import type { ClientEvent } from '../whatsapp-client.js'
import { oneLine, within } from './deadline.js'
import type { LibraryClient } from './library.js'
import type { PageApi } from './page-api.js'
import type { Profile } from './profile.js'

/** WhatsApp shows the first code for a minute and each further one for twenty seconds. */
const firstQrMs = 60_000
const nextQrMs = 20_000
const mostQrs = 6
/** Without a new code so long after the last one ran out, none will come. */
const noMoreQrMs = 60_000
const pairingCodeMs = 180_000
interface Dependencies {
  client: () => LibraryClient
  page: PageApi
  profile: Profile
  tell: (event: ClientEvent) => void
  /** The phone has scanned: the page now has a limited time to become ready. */
  scanned: () => void
  confirmUnlinkedMs: number
  signal: AbortSignal
  clock: Clock
  log: Logger
}

/** From the first QR code to the scan. */
export class Linking {
  #shown = 0
  #waiting = false
  #codeUntil = 0
  #unlinked: Promise<boolean> | undefined
  #timer: NodeJS.Timeout | undefined

  constructor(private readonly to: Dependencies) {
    to.signal.addEventListener('abort', () => clearTimeout(this.#timer))
  }

  /** Each code of the library. After the scan it reports one more that is none. */
  async onQr(qr: string): Promise<void> {
    if (/^(undefined|null)?,/.test(qr)) return this.#scanned()
    if (await this.#tellIfUnlinked()) return
    if (this.to.signal.aborted) return
    this.#waiting = true
    this.#shown += 1
    if (this.#shown > mostQrs) return this.#expire()
    const lifeMs = this.#shown === 1 ? firstQrMs : nextQrMs
    this.to.tell({ kind: 'qr', qr, expiresAt: this.to.clock() + lifeMs })
    this.#expireIn(lifeMs + noMoreQrMs)
  }

  /** Each state of WhatsApp Web's socket until it is connected. */
  onState(state: string): void {
    if (state === 'UNPAIRED_IDLE') {
      this.to.page
        .refreshQr()
        .catch((thrown: unknown) => this.to.log.warn({ problem: oneLine(thrown) }, 'qr.no_refresh'))
    } else if (this.#waiting && (state === 'PAIRING' || state === 'CONNECTED')) {
      this.#scanned()
    }
  }

  async requestCode(phone: string): Promise<string> {
    if (!this.#waiting) throw new AppError('not_ready', 'A code can be had only while the session waits to be linked.')
    // Not renewed by itself: the person would type a code that is no longer valid.
    const request = this.to.client().requestPairingCode(phone, true, 2 ** 31 - 1)
    const code = await within(request, 30_000, 'The pairing code').catch((thrown: unknown) => {
      if (thrown instanceof AppError) throw thrown
      throw new AppError('unprocessable', 'WhatsApp gives no pairing code for this number.', {
        reason: 'pairing_code_refused',
        cause: thrown,
      })
    })
    this.#codeUntil = this.to.clock() + pairingCodeMs
    return code.replace(/[^0-9A-Z]/gi, '').toUpperCase()
  }

  #scanned(): void {
    if (!this.#waiting) return
    this.#waiting = false
    clearTimeout(this.#timer)
    this.to.tell({ kind: 'authenticated' })
    this.to.scanned()
  }

  /** Codes go on while a pairing code is typed; the session ends when that has run out, too. */
  #expire(): void {
    const left = this.#codeUntil - this.to.clock()
    if (left > 0) return this.#expireIn(left)
    this.#waiting = false
    clearTimeout(this.#timer)
    this.to.tell({ kind: 'qr_expired' })
  }

  #expireIn(ms: number): void {
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => this.#expire(), ms)
  }

  /** A profile that was linked and now shows a code was unlinked while it was away; once is enough to ask. */
  #tellIfUnlinked(): Promise<boolean> {
    this.#unlinked ??= this.#askIfUnlinked()
    return this.#unlinked
  }

  async #askIfUnlinked(): Promise<boolean> {
    if (!(await this.to.profile.wasLinked())) return false
    await sleep(this.to.confirmUnlinkedMs, this.to.signal)
    if (this.to.signal.aborted) return true
    const { state } = await this.to.page.health()
    if (state !== 'UNPAIRED' && state !== 'UNPAIRED_IDLE') return true
    await this.to.profile.markUnlinked()
    this.to.tell({ kind: 'logged_out', reason: 'logged_out_by_phone' })
    return true
  }
}
