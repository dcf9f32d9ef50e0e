import { randomUUID } from 'node:crypto'
import type { Account } from './accounts.js'

type Frame = Record<string, unknown>

/** Where frames for a page go. */
export interface PageLine {
  write(frame: Frame): void
}

/** A linked device. What it cannot be told now waits until its page is there and its line is up. */
export class Device {
  readonly id = randomUUID()
  /** Proof that a page is this device; kept in the browser profile. */
  readonly secret = randomUUID()
  #page: PageLine | null = null
  #lineDown = false
  #queue: Frame[] = []

  constructor(readonly account: Account) {}

  get page(): PageLine | null {
    return this.#page
  }

  get isOnLine(): boolean {
    return this.#page !== null && !this.#lineDown
  }

  attach(page: PageLine): void {
    this.#page = page
    this.#lineDown = false
  }

  detach(page: PageLine): void {
    if (this.#page === page) this.#page = null
  }

  tell(frame: Frame): void {
    if (this.isOnLine) this.#page?.write(frame)
    else this.#queue.push(frame)
  }

  /** Takes what waited. */
  takeQueue(): Frame[] {
    return this.#queue.splice(0)
  }

  /** The page goes on running, but WhatsApp is out of its reach. */
  dropLine(): void {
    if (!this.isOnLine) throw new Error(`The line of ${this.account.number} is down already`)
    this.#lineDown = true
  }

  restoreLine(): void {
    if (!this.#lineDown) throw new Error(`The line of ${this.account.number} is not down`)
    this.#lineDown = false
    for (const frame of this.takeQueue()) this.#page?.write(frame)
  }
}
