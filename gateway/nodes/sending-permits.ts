/** What a node is answered that asks whether it may send. */
import type { SessionId } from '../../proto/contract.js'
import type { SendingPermit } from '../../proto/node-client.js'
import type { Logger } from '../../runtime/log.js'
import { SILENCE_MS } from '../sessions/session.js'

/** It ends before anyone may give the node up. */
const PERMIT_MS = SILENCE_MS - 1_000

export interface SendingPermitsOptions {
  /** Sessions that the node has and that are not its own. */
  strays: () => Promise<SessionId[]>
  /** Records that the node was heard now. False when this gateway follows it no more. */
  hold: () => Promise<boolean>
  log: Logger
}

/** One per stream: what it knows of strays is as new as the lease. */
export class SendingPermits {
  private strays: readonly SessionId[] | undefined
  private answering: Promise<void> | undefined

  constructor(private readonly options: SendingPermitsOptions) {}

  /** Answers in its own time. A question that comes meanwhile is not answered: there will be another. */
  answer(asked: number, tell: (permit: SendingPermit) => void): void {
    this.answering ??= this.permit(asked, tell)
      .catch((err: unknown) => this.options.log.warn({ err }, 'node.not_permitted'))
      .finally(() => (this.answering = undefined))
  }

  async done(): Promise<void> {
    await this.answering
  }

  private async permit(asked: number, tell: (permit: SendingPermit) => void): Promise<void> {
    const { strays, hold } = this.options
    // A session cannot become a stray while its node is heard: then nobody may give the node up.
    if (!this.strays || this.strays.length > 0) this.strays = await strays()
    if (await hold()) tell({ asked, forMs: PERMIT_MS, except: this.strays })
  }
}
