import type { SessionId } from '../../proto/contract.js'
import { Table } from '../db/table.js'

/** Apart from the session's row, which whoever stores a message for the session has to lock. */
export interface SessionSequenceRow {
  sessionId: SessionId
  /** Of the newest event of this session. */
  sequence: number
}

export const sessionSequenceTable = new Table<SessionSequenceRow>('session_sequences', (c) => ({
  columns: { sessionId: c.id('session_id'), sequence: c.big('sequence') },
  foreignKeys: { fk_session_sequences_session: [['sessionId'], 'sessions', ['id'], 'CASCADE'] },
}))
