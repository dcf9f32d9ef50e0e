import type { SessionRef } from '../journal/event-log.js'
import type { Journal } from '../journal/journal.js'
import type { Sends } from '../journal/sends.js'
import type { Outcomes } from './outcomes.js'

/** So many of the queue are told why they wait. */
const MOST_TOLD = 50

export interface SendingWaitOptions {
  session: SessionRef
  journal: Journal
  sends: Sends
  outcomes: Outcomes
  /** A gateway follows this node and lets it send for the session. */
  maySend: () => boolean
}

/** Keeps the queue of a session waiting while no gateway lets it send, and says so. */
export class SendingWait {
  private told = false

  constructor(private readonly options: SendingWaitOptions) {}

  /** Answers whether nothing may be sent now. */
  async mustWait(): Promise<boolean> {
    const waits = !this.options.maySend()
    if (waits || this.told) await this.tell(waits)
    return waits
  }

  /** Only what the bot brought: the gateway, which is away, can hear nothing, and says of its own where they wait. */
  private async tell(waits: boolean): Promise<void> {
    const { session, journal, sends, outcomes } = this.options
    const [from, to] = waits ? ([undefined, 'gateway_away'] as const) : (['gateway_away', 'waiting_to_send'] as const)
    const queue = sends.queued(session.id, MOST_TOLD).filter(({ message, status }) => {
      return message.origin === 'telegram' && status === 'pending'
    })
    const untold = queue.filter(({ reason }) => (from === undefined ? reason !== to : reason === from))
    if (untold.length > 0) {
      await journal.write(() => {
        for (const { id } of untold) if (sends.find(id)?.state === 'queued') outcomes.wait(id, to)
      })
    }
    this.told = waits && queue.length > 0
  }
}
