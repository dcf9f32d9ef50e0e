import { sleep } from '../../../runtime/clock.js'
import type { Logger } from '../../../runtime/log.js'
import type { PageApi } from './page-api.js'

const lookEveryMs = 5_000
const looks = 60

/**
 * WhatsApp unlinks a new device after about five minutes when nobody acknowledges the dialog with which it greets it
 * ("What's new on WhatsApp Web"). So long after a scan it is looked for and acknowledged.
 */
export async function dismissOnboarding(page: PageApi, signal: AbortSignal, log: Logger): Promise<void> {
  for (let look = 0; look < looks && !signal.aborted; look += 1) {
    if (await page.pressContinue().catch(() => false)) log.info('whatsapp.onboarding_dismissed')
    await sleep(lookEveryMs, signal)
  }
}
