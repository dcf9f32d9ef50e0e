import type { WebSocket } from 'ws'
import type { Account } from './accounts.js'
import type { Device, PageLine } from './device.js'

type Frame = Record<string, unknown>

/** Answers one question of a page; what it throws becomes the page's error. */
export type Ask = (page: PageConnection, operation: string, args: never) => Promise<unknown>

/** A page of WhatsApp Web that is open somewhere, linked or not. */
export class PageConnection implements PageLine {
  device: Device | null = null
  /** Goes with each load of the page, so that its uploads are known as its own. */
  lineKey = ''

  #tickets = new Map<number, () => void>()
  #nextTicket = 1

  constructor(
    private readonly socket: WebSocket,
    /** The port at the browser's end; tells which browser it is. */
    readonly remotePort: number,
    private readonly ask: Ask,
  ) {
    // One after another would let a hanging question hold up all others, which the real line does not.
    socket.on('message', (data: Buffer) => this.#hear(JSON.parse(data.toString()) as Frame))
    socket.on('close', () => this.#tickets.forEach((confirmed) => confirmed()))
  }

  write(frame: Frame): void {
    if (this.socket.readyState === this.socket.OPEN) this.socket.send(JSON.stringify(frame))
  }

  /** Resolves once the page has heard this and acts on it, or is gone. */
  async tell(frame: Frame): Promise<void> {
    if (this.socket.readyState !== this.socket.OPEN) return
    const ticket = this.#nextTicket++
    const heard = new Promise<void>((resolve) => this.#tickets.set(ticket, resolve))
    this.write({ ...frame, ticket })
    await heard
  }

  close(): void {
    this.socket.terminate()
  }

  #hear(frame: Frame): void {
    if (typeof frame.confirm !== 'number') return void this.#answer(frame)
    this.#tickets.get(frame.confirm)?.()
    this.#tickets.delete(frame.confirm)
  }

  async #answer({ n, op, args }: Frame): Promise<void> {
    try {
      this.write({ re: n, ok: (await this.ask(this, op as string, args as never)) ?? null })
    } catch (thrown) {
      const { name, message } = thrown as Error
      this.write({ re: n, error: { name, message } })
    }
  }
}

export function deviceOf(page: PageConnection): Device {
  if (!page.device) throw new Error('This page is not linked')
  return page.device
}

export function accountOf(page: PageConnection): Account {
  return deviceOf(page).account
}
