import { sleep } from '../../../runtime/clock.js'
import type { Logger } from '../../../runtime/log.js'
import { oneLine } from './deadline.js'
import type { PageApi } from './page-api.js'
import type { PageHealth } from './page/page-questions.js'
import type { Timing } from './timing.js'

interface Dependencies {
  page: PageApi
  isReady: () => boolean
  /** Whether the library has heard that the page is synced. */
  syncHeard: () => boolean
  late: (detail: string) => void
  timing: Timing
  signal: AbortSignal
  log: Logger
}

/**
 * Watches the way from linked to ready, on which WhatsApp Web and the library sometimes lose each other: "synced" was
 * said before anybody listened. Then the library is told once more; and after a time without progress it is given up.
 */
export class Readiness {
  #watching: Promise<void> | undefined
  #progressAt = 0
  #missed = 0

  constructor(private readonly to: Dependencies) {}

  /** Begins a watch, unless one is going on. */
  watch(): void {
    this.progress()
    this.#watching ??= this.#watch()
      .catch((thrown: unknown) => this.to.late(oneLine(thrown)))
      .finally(() => (this.#watching = undefined))
  }

  /** Something happened: the time for the next step begins anew. */
  progress(): void {
    this.#progressAt = performance.now()
    this.#missed = 0
  }

  async #watch(): Promise<void> {
    const since = performance.now()
    const { readyCheckMs, stalledMs, longestMs } = this.to.timing
    for (;;) {
      await sleep(readyCheckMs, this.to.signal)
      if (this.to.signal.aborted || this.to.isReady()) return
      const now = performance.now()
      if (now - this.#progressAt > stalledMs || now - since > longestMs) {
        return this.to.late('WhatsApp Web was linked but did not become ready.')
      }
      if (await this.#isUnlinkedAgain()) return
    }
  }

  /** A line that broke while a QR code was shown looks like a scan for a moment. */
  async #isUnlinkedAgain(): Promise<boolean> {
    const health = await this.to.page.health().catch(() => undefined)
    if (health?.state === 'UNPAIRED' || health?.state === 'UNPAIRED_IDLE') return true
    await this.#help(health)
    return false
  }

  async #help(health: PageHealth | undefined): Promise<void> {
    if (health?.state !== 'CONNECTED' || !health.hasSynced || this.to.isReady()) {
      this.#missed = 0
      return
    }
    this.#missed += 1
    // On its way from "synced" to ready the library may just be busy.
    if (this.#missed < (this.to.syncHeard() ? 5 : 1)) return
    this.#missed = 0
    this.to.log.warn('whatsapp.synced_unheard')
    await this.to.page.repeatSynced().catch((thrown: unknown) => {
      this.to.log.warn({ problem: oneLine(thrown) }, 'whatsapp.not_promoted')
    })
  }
}
