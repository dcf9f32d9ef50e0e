import type { MessageId } from '../../proto/contract.js'
import type { Logger } from '../../runtime/log.js'
import type { SessionRef } from '../journal/event-log.js'
import type { Journal } from '../journal/journal.js'
import type { OpenSend, Sends } from '../journal/sends.js'
import { Pulse } from '../pulse.js'
import type { Trace, WhatsAppClient } from '../whatsapp/whatsapp-client.js'
import type { Numbers } from './numbers.js'
import type { Outcomes } from './outcomes.js'
import type { Timing } from './timing.js'

const MAX_RESENDS = 2
const ROUND = 200

export interface ReconcilerOptions {
  session: SessionRef
  journal: Journal
  sends: Sends
  outcomes: Outcomes
  numbers: Numbers
  timing: Pick<Timing, 'reconcileMs' | 'pageAckMs'>
  awaitAck: (id: MessageId, ms: number) => void
  log: Logger
}

/**
 * Finds out what became of messages that may have gone out. Only when WhatsApp shows no trace of one is it sent again,
 * under the same id, and twice at most.
 */
export class Reconciler {
  private readonly changed = new Pulse()
  /** Over when all that was open at the attachment has been looked for. */
  firstRound: Promise<void> = Promise.resolve()

  constructor(private readonly options: ReconcilerOptions) {}

  wake(): void {
    this.changed.fire()
  }

  async run(client: WhatsAppClient, signal: AbortSignal, onRequeued: () => void): Promise<void> {
    const { sends, session } = this.options
    // A new page does not tell again what became of the old one's messages.
    const inherited = ['dispatching', 'dispatched', 'unknown'] as const
    this.firstRound = this.round(
      client,
      inherited.flatMap((state) => sends.inState(session.id, state, ROUND)),
      signal,
    ).then(onRequeued)
    await this.firstRound
    while (!signal.aborted) {
      const version = this.changed.version
      const unknown = sends.inState(session.id, 'unknown', ROUND)
      await this.round(client, unknown, signal)
      if (unknown.length > 0) onRequeued()
      const left = sends.inState(session.id, 'unknown', 1).length > 0
      await this.changed.since(version, { signal, ...(left ? { ms: this.options.timing.reconcileMs } : {}) })
    }
  }

  private async round(client: WhatsAppClient, open: OpenSend[], signal: AbortSignal) {
    for (const send of open) {
      if (signal.aborted) return
      try {
        await this.look(client, send, signal)
      } catch (err) {
        if (!signal.aborted) this.options.log.warn({ err, message: send.id }, 'reconcile.failed')
      }
    }
  }

  private async look(client: WhatsAppClient, send: OpenSend, signal: AbortSignal) {
    const { numbers, journal, sends, outcomes, log } = this.options
    if (!hasOurId(send)) {
      await journal.write(() => {
        const now = sends.find(send.id)
        if (now?.state !== send.state) return
        if (now.resendAsked) outcomes.resend(now, 'nothing, because messages to channels cannot be found again')
        else outcomes.hold(send.id, 'A message to a channel cannot be found again.')
      })
      return
    }
    const to = (await numbers.chatOf(client, send.message.to)) ?? send.message.to
    const trace = await client.findTrace({ waMessageId: send.waMessageId, to })
    if (signal.aborted) return
    const isGiven = await journal.write(() => {
      // An ack may have come while we looked.
      const now = sends.find(send.id)
      if (now && now.state !== 'done' && now.state !== 'queued') this.decide({ ...send, ...now }, trace)
      return sends.find(send.id)?.state === 'dispatched'
    })
    if (isGiven) this.options.awaitAck(send.id, this.options.timing.pageAckMs)
    log.info({ message: send.id, found: trace.found, check: trace.check }, 'message.reconciled')
  }

  private decide(send: OpenSend, trace: Trace) {
    const { outcomes, sends, session } = this.options
    if (trace.found && trace.status === 'pending') {
      sends.move(send.id, send.state, 'dispatched')
    } else if (trace.found) {
      outcomes.ack(session, { waMessageId: send.waMessageId, chatId: send.chatId, status: trace.status })
    } else if (send.resendAsked) {
      outcomes.resend(send, trace.check)
    } else if (send.message.onUnknown === 'hold' || send.resends >= MAX_RESENDS) {
      outcomes.hold(send.id, `No trace of it in: ${trace.check}.`)
    } else {
      outcomes.resend(send, trace.check)
    }
  }
}

/** Channels and status do not take the id that we choose: what went there is not found again, nor told from a second. */
function hasOurId({ message }: OpenSend): boolean {
  return !/@(newsletter|broadcast)$/.test(message.to)
}
