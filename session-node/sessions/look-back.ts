import { sleep } from '../../runtime/clock.js'
import type { Logger } from '../../runtime/log.js'
import type { SessionRecord } from '../journal/session-rows.js'
import type { WhatsAppClient } from '../whatsapp/whatsapp-client.js'
import type { SessionState } from './session-state.js'
import type { SessionWorld } from './session-world.js'

/** Between two tries while the same client lives; after the last it is given up, loudly. */
const AGAIN_MS = [2_000, 10_000, 30_000, 60_000]

export interface LookBackOptions {
  state: SessionState
  world: Pick<SessionWorld, 'rows' | 'clock'>
  /** Whether this client is still the one that is heard. */
  isCurrent: (client: WhatsAppClient) => boolean
  log: Logger
}

/**
 * What came while nobody listened. It is owed from the moment when a client is launched, and until it was looked for in
 * all chats: what is heard live in between, or by a client that dies over it, does not make it any less.
 */
export class LookBack {
  private latest = new AbortController()

  constructor(private readonly options: LookBackOptions) {}

  /** The client is not used any more: what is left is its successor's. */
  cancel(): void {
    this.latest.abort()
    this.latest = new AbortController()
  }

  /** Resolves when it is done, given up, or another client's matter. */
  async run(client: WhatsAppClient): Promise<void> {
    const { state, world, isCurrent, log } = this.options
    this.cancel()
    const { signal } = this.latest
    const mine = () => !signal.aborted && isCurrent(client)
    const from = owedFrom(state.record, world)
    await state.update({ lookBackFrom: from })
    for (const [tried, againMs] of [...AGAIN_MS, undefined].entries()) {
      if (!mine()) return
      try {
        await client.lookBack(from)
        break
      } catch (err) {
        if (!mine()) return
        // A chat that can never be read must not make each further look longer than the last.
        if (againMs === undefined) log.error({ err, since: new Date(from).toISOString() }, 'session.look_back_given_up')
        else log.warn({ err, tried: tried + 1, againMs }, 'session.look_back_failed')
        await sleep(againMs ?? 0, signal)
      }
    }
    if (mine()) await state.update({ lookBackFrom: undefined })
  }
}

/** Since when something may have passed by a session that is linked. */
export function owedFrom(
  { id, lookBackFrom, connectedAt }: Readonly<SessionRecord>,
  { rows, clock }: Pick<SessionWorld, 'rows' | 'clock'>,
): number {
  return lookBackFrom ?? rows.lastInboundAt(id) ?? connectedAt ?? clock()
}
