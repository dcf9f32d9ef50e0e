import { Phone } from './phone.js'
import type { Addressing, Fault, PhoneInfo, Settings, WaitingPage, WireLine } from './types.js'

export { Phone } from './phone.js'
export type * from './types.js'

interface Wait {
  /** What is waited for; named in the error. */
  what?: string | undefined
  timeoutMs?: number | undefined
}

/** Drives a simulator over its control address, from any process of this machine. */
export class SimulatorClient {
  constructor(readonly address: string) {}

  /** The phone with this number, registered now if it was not. */
  async phone(
    number: string,
    options: { name?: string; receipts?: 'auto' | 'manual'; addressing?: Addressing; hidesNumber?: boolean } = {},
  ): Promise<Phone> {
    const info = await this.do<PhoneInfo>('phone', { number, ...options })
    return new Phone(this, info.number, info.id, info.lid)
  }

  phones(): Promise<PhoneInfo[]> {
    return this.do('phones')
  }

  /** From now on the number is not on WhatsApp. */
  unregister(number: string): Promise<void> {
    return this.do('unregister', { number })
  }

  /** The pages that show a QR code or wait for a pairing code. */
  waiting(): Promise<WaitingPage[]> {
    return this.do('waiting')
  }

  /** Replaces all QR codes now; a page that has shown its last one goes idle. */
  rotateQr(): Promise<void> {
    return this.do('rotateQr')
  }

  /** What linked devices handed to WhatsApp, in order; the same message handed over twice is two lines. */
  wire(): Promise<WireLine[]> {
    return this.do('wire')
  }

  async media(sha256: string): Promise<Buffer> {
    const { base64 } = await this.do<{ base64: string }>('media', { sha256 })
    return Buffer.from(base64, 'base64')
  }

  /** The bytes are gone from WhatsApp's servers: downloads answer 404. */
  expireMedia(sha256: string): Promise<void> {
    return this.do('expireMedia', { sha256 })
  }

  fault(fault: Fault): Promise<void> {
    return this.do('fault', fault)
  }

  clearFaults(): Promise<void> {
    return this.do('clearFaults')
  }

  /** Changes settings. Key shape and version hold from the next load of a page. */
  configure(settings: Partial<Settings>): Promise<Settings> {
    return this.do('configure', settings)
  }

  pages(): Promise<{ open: number; waiting: number }> {
    return this.do('pages')
  }

  hangUp(callId: string): Promise<void> {
    return this.do('hangUp', { id: callId })
  }

  calls(): Promise<{ id: string; from: string; to: string; video: boolean; status: string }[]> {
    return this.do('calls')
  }

  /** Reads again after each change until there is an answer: neither undefined, null nor false. */
  async until<Value>(
    read: () => Promise<Value | undefined | null | false>,
    { what = 'what the test waits for', timeoutMs = 10_000 }: Wait = {},
  ): Promise<Value> {
    const deadline = Date.now() + timeoutMs
    let seen = -1
    for (;;) {
      // Counted before reading: what happens in between is not missed, it only means one reading more.
      seen = await this.#changes(seen, 0)
      const value = await read()
      if (value !== undefined && value !== null && value !== false) return value
      const left = deadline - Date.now()
      if (left <= 0) throw new Error(`The simulator did not see ${what} within ${timeoutMs} ms`)
      await this.#changes(seen, Math.min(left, 1000))
    }
  }

  /** Any operation of the control plane; the methods above and those of a phone are typed ways to call it. */
  async do<Result>(operation: string, args: object = {}): Promise<Result> {
    const response = await fetch(`${this.address}/${operation}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(args),
    })
    const { ok, error } = (await response.json()) as { ok: Result; error?: string }
    if (!response.ok) throw new Error(`simulator: ${error ?? response.status}`)
    return ok
  }

  async #changes(after: number, timeoutMs: number): Promise<number> {
    const { count } = await this.do<{ count: number }>('changes', { after, timeoutMs })
    return count
  }
}
