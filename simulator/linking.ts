import type { Account } from './accounts.js'
import { Device } from './device.js'
import { newPairingCode, newRef, numberOf, toId } from './ids.js'
import type { PageConnection } from './page-connection.js'
import type { Settings, WaitingPage } from './types.js'

/** How many devices WhatsApp lets an account link besides its phone. */
const MOST_DEVICES = 4

/** What a page that waits to be linked shows. */
interface Waiting {
  ref: string
  since: number
  codesShown: number
  timer: NodeJS.Timeout
  pairing?: { code: string; number: string }
}

/** Links pages to accounts by QR or code, knows linked devices again, and unlinks them. */
export class Linking {
  #waiting = new Map<PageConnection, Waiting>()
  #devices = new Map<string, Device>()

  constructor(
    private readonly settings: Settings,
    private readonly onLinked: (page: PageConnection, device: Device) => void,
    private readonly onChange: () => void,
  ) {}

  /** The device that this identity proves, unless it was unlinked meanwhile. */
  recognize(identity: { id: string; secret: string } | undefined): Device | undefined {
    const device = identity && this.#devices.get(identity.id)
    return device?.secret === identity?.secret ? device : undefined
  }

  /** Begins to show QR codes on a page, the first at once. */
  wait(page: PageConnection): string {
    this.stopWaiting(page)
    const waiting: Waiting = { ref: newRef(), since: Date.now(), codesShown: 1, timer: this.#rotateLater(page) }
    this.#waiting.set(page, waiting)
    this.onChange()
    return waiting.ref
  }

  stopWaiting(page: PageConnection): void {
    clearTimeout(this.#waiting.get(page)?.timer)
    this.#waiting.delete(page)
    this.onChange()
  }

  /** A code that a person can type on the phone with this number. */
  pairingCode(page: PageConnection, phone: string): string {
    const waiting = this.#waiting.get(page)
    if (!waiting) throw new Error('Only a page that waits to be linked can ask for a pairing code')
    waiting.pairing = { code: newPairingCode(), number: numberOf(toId(phone)) }
    this.onChange()
    return waiting.pairing.code
  }

  waitingPages(): WaitingPage[] {
    return [...this.#waiting.values()].map(({ ref, since, pairing }) => ({
      ref,
      since,
      pairingCode: pairing?.code,
      pairingNumber: pairing?.number,
    }))
  }

  /** Replaces all QR codes now, or goes idle where the last one was shown. */
  rotate(): void {
    for (const [page, { timer }] of [...this.#waiting]) {
      clearTimeout(timer)
      this.#rotate(page)
    }
  }

  /** The phone reads a QR code. One that has been replaced meanwhile is refused, as it is by a phone. */
  scan(account: Account, qr: string): Device {
    const [ref] = qr.split(',')
    const page = this.#find((waiting) => waiting.ref === ref)
    if (!page) throw new Error('No page shows this QR code any more')
    return this.#link(account, page)
  }

  linkWithCode(account: Account, code: string): Device {
    const typed = code.replace(/[^0-9A-Za-z]/g, '').toUpperCase()
    const page = this.#find(({ pairing }) => pairing?.code === typed && pairing.number === account.number)
    if (!page) throw new Error(`No page waits for ${account.number} to type this code`)
    return this.#link(account, page)
  }

  /** Forgets a device: it is not recognized any more, and its page, if there, is told how it ended. */
  unlink(device: Device, frame: Record<string, unknown> | null): void {
    this.#devices.delete(device.id)
    device.account.devices.delete(device)
    if (frame) device.page?.write(frame)
    this.onChange()
  }

  stop(): void {
    for (const page of [...this.#waiting.keys()]) this.stopWaiting(page)
  }

  #link(account: Account, page: PageConnection): Device {
    if (account.banned) throw new Error(`${account.number} is banned`)
    if (account.devices.size >= MOST_DEVICES) throw new Error(`${account.number} has ${MOST_DEVICES} devices already`)
    this.stopWaiting(page)
    const device = new Device(account)
    account.devices.add(device)
    this.#devices.set(device.id, device)
    this.onLinked(page, device)
    this.onChange()
    return device
  }

  #find(test: (waiting: Waiting) => boolean): PageConnection | undefined {
    return [...this.#waiting].find(([, waiting]) => test(waiting))?.[0]
  }

  #rotateLater(page: PageConnection): NodeJS.Timeout {
    return setTimeout(() => this.#rotate(page), this.settings.qrRotationMs).unref()
  }

  #rotate(page: PageConnection): void {
    const waiting = this.#waiting.get(page)
    if (!waiting) return
    if (waiting.codesShown >= this.settings.qrCodes) {
      // The pairing code, if any, stays good: only the QR code has gone.
      waiting.ref = ''
      page.write({ push: 'idle' })
    } else {
      waiting.ref = newRef()
      waiting.codesShown += 1
      waiting.timer = this.#rotateLater(page)
      page.write({ push: 'ref', ref: waiting.ref })
    }
    this.onChange()
  }
}
