import type { ClientEvent } from '../whatsapp-client.js'

const lastWords = new Set<ClientEvent['kind']>(['died', 'logged_out', 'blocked', 'qr_expired'])

/** The voice of one life: what ended it is told once, and nothing after that, nor once it is being stopped. */
export class Telling {
  #over = false

  constructor(
    private readonly listener: (event: ClientEvent) => void,
    private readonly signal: AbortSignal,
  ) {}

  get over(): boolean {
    return this.#over || this.signal.aborted
  }

  readonly tell = (event: ClientEvent): void => {
    if (this.over) return
    this.#over = lastWords.has(event.kind)
    this.listener(event)
  }
}
