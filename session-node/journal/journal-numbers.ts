import type { SessionId } from '../../proto/contract.js'
import type { Journal } from './journal.js'
import type { SendState } from './sends.js'

/** So many of the newest events are measured; the rest is taken to be of their size. */
const MEASURED = 5_000

/** Counts over the journal, for the metrics: each from an index, or bounded, because the file is read while nothing else runs. */
export class JournalNumbers {
  constructor(private readonly journal: Journal) {}

  /** Messages that are not done, per session and state. */
  openSends(): { sessionId: SessionId; state: SendState; count: number }[] {
    return this.journal.all(
      `SELECT session_id AS sessionId, state, count(*) AS count FROM sends INDEXED BY sends_open
       WHERE state <> 'done' GROUP BY session_id, state`,
    )
  }

  /** Events that the gateway has not acknowledged. Positions have no gaps, so they need not be counted. */
  unacknowledged(): { events: number; bytes: number; oldestAt?: number } {
    const { acknowledged, last } = this.journal.get<{ acknowledged: number; last: number }>(
      `SELECT acknowledged, coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'events'), 0) AS last FROM node`,
    ) ?? { acknowledged: 0, last: 0 }
    const events = Math.max(0, last - acknowledged)
    if (events === 0) return { events: 0, bytes: 0 }
    const measured = this.journal.get<{ events: number; bytes: number }>(
      'SELECT count(*) AS events, coalesce(sum(octet_length(body)), 0) AS bytes FROM events WHERE position > ?',
      Math.max(acknowledged, last - MEASURED),
    )
    const oldest = this.journal.get<{ at: number }>(
      'SELECT at FROM events WHERE position > ? ORDER BY position LIMIT 1',
      acknowledged,
    )
    const average = measured && measured.events > 0 ? measured.bytes / measured.events : 0
    return { events, bytes: Math.round(average * events), ...(oldest ? { oldestAt: oldest.at } : {}) }
  }
}
