import { isDeepStrictEqual } from 'node:util'
import type { NodeSession } from '../../proto/contract.js'
import type { Reason } from '../../proto/reasons.js'
import type { Logger } from '../../runtime/log.js'
import type { SessionRecord } from '../journal/session-rows.js'
import type { SessionWorld } from './session-world.js'

export type StatusChange = Pick<SessionRecord, 'status'> & Partial<SessionRecord>

/** Where a session stands. Every change of its status is a row and an event in one commit. */
export class SessionState {
  constructor(
    private current: SessionRecord,
    private readonly world: Pick<SessionWorld, 'journal' | 'rows' | 'events' | 'sends' | 'clock'>,
    private readonly log: Logger,
  ) {}

  get record(): Readonly<SessionRecord> {
    return this.current
  }

  view(): NodeSession {
    const { wanted: _, paired: __, lastInboundAt: ___, lookBackFrom: ____, ...shown } = this.current
    return { ...shown, waiting: this.world.sends.waiting(shown.id) }
  }

  /**
   * Sets the status and tells it, when anything is new about it. Resolves when it is on the disk. Throws `storage_full`
   * when that is full; it is told all the same, as soon as there is room.
   */
  async change(change: StatusChange, reason: Reason): Promise<void> {
    const { detail: _, ...before } = this.current
    const after: SessionRecord = { ...before, ...change, reason }
    if (isDeepStrictEqual(after, this.current)) return
    after.changedAt = this.world.clock()
    this.current = after
    this.log.info({ status: after.status, reason }, 'session.status')
    const { journal, rows, events } = this.world
    const session = this.view()
    const tell = () => {
      rows.save(after)
      events.insert(after, { kind: 'session_status', session })
    }
    await journal.record(tell, { patient: false })
  }

  /** Changes what is not its status. */
  async update(changes: Partial<Omit<SessionRecord, 'status' | 'reason'>>): Promise<void> {
    const record = { ...this.current, ...changes }
    this.current = record
    await this.world.journal.write(() => this.world.rows.save(record))
  }
}
