import type { SessionId } from '../../proto/contract.js'
import type { BotState } from '../bot-state.js'

export const incidentKinds = ['disconnected', 'needs_scan', 'logged_out', 'failed'] as const
export type IncidentKind = (typeof incidentKinds)[number]

/** A time during which a session was not what it should be. */
export interface Incident {
  sessionId: SessionId
  kind: IncidentKind
  since: number
  /** Told to the operators not before this. */
  dueAt: number
  told: boolean
  overAt: number | null
}

type Row = Omit<Incident, 'told'> & { told: number }

const columns = 'session_id AS sessionId, kind, since, due_at AS dueAt, told, over_at AS overAt'

export class Incidents {
  constructor(private readonly state: BotState) {}

  find(sessionId: SessionId): Incident | undefined {
    const row = this.state.get<Row>(`SELECT ${columns} FROM incidents WHERE session_id = ?`, sessionId)
    return row && asIncident(row)
  }

  all(): Incident[] {
    return this.state.all<Row>(`SELECT ${columns} FROM incidents ORDER BY since`).map(asIncident)
  }

  save({ sessionId, kind, since, dueAt, told, overAt }: Incident): void {
    const sql = `INSERT OR REPLACE INTO incidents (session_id, kind, since, due_at, told, over_at)
      VALUES (?, ?, ?, ?, ?, ?)`
    this.state.run(sql, sessionId, kind, since, dueAt, told ? 1 : 0, overAt)
  }

  remove(sessionId: SessionId): void {
    this.state.run('DELETE FROM incidents WHERE session_id = ?', sessionId)
  }

  /** Sessions that were linked when they were last seen: only those can be missed. */
  isLinked(sessionId: SessionId): boolean {
    return this.state.get('SELECT 1 FROM linked_sessions WHERE session_id = ?', sessionId) !== undefined
  }

  setLinked(sessionId: SessionId, linked: boolean): void {
    const sql = linked
      ? 'INSERT OR IGNORE INTO linked_sessions VALUES (?)'
      : 'DELETE FROM linked_sessions WHERE session_id = ?'
    this.state.run(sql, sessionId)
  }
}

function asIncident(row: Row): Incident {
  return { ...row, told: row.told === 1 }
}
