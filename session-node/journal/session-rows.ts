import type { NodeSession } from '../../proto/contract.js'
import type { Journal } from './journal.js'

/** What the node keeps of a session. `waiting` is counted, not kept. */
export interface SessionRecord extends Omit<NodeSession, 'waiting'> {
  /** What was last asked for; survives a restart of the node. */
  wanted: 'running' | 'stopped'
  /** Connected at least once since its link was made. */
  paired: boolean
  lastInboundAt?: number
  /** A look back to then is owed. */
  lookBackFrom?: number | undefined
}

type Row = Record<string, string | number | null>

const columns: { [Field in keyof Required<SessionRecord>]: string } = {
  id: 'id',
  tenantId: 'tenant_id',
  name: 'name',
  engine: 'engine',
  pacing: 'pacing',
  sandbox: 'sandbox',
  wanted: 'wanted',
  status: 'status',
  reason: 'reason',
  detail: 'detail',
  phone: 'phone',
  lid: 'lid',
  pushName: 'push_name',
  webVersion: 'web_version',
  paired: 'paired',
  connectedAt: 'connected_at',
  changedAt: 'changed_at',
  lastInboundAt: 'last_inbound_at',
  lookBackFrom: 'look_back_from',
}
// The event log writes this one.
const kept = Object.entries(columns).filter(([field]) => field !== 'lastInboundAt')
const json = new Set(['pacing', 'sandbox'])
const save = `INSERT INTO sessions (${kept.map(([, column]) => column).join(', ')})
  VALUES (${kept.map(() => '?').join(', ')})
  ON CONFLICT (id) DO UPDATE SET ${kept.map(([, column]) => `${column} = excluded.${column}`).join(', ')}`

export class SessionRows {
  constructor(private readonly journal: Journal) {}

  list(): SessionRecord[] {
    return this.journal.all<Row>('SELECT * FROM sessions ORDER BY id').map(toRecord)
  }

  /** Inside `write`. */
  save(record: SessionRecord): void {
    const values = kept.map(([field]) => {
      const value = record[field as keyof SessionRecord]
      if (value === undefined) return null
      if (json.has(field)) return JSON.stringify(value)
      return typeof value === 'boolean' ? Number(value) : (value as string | number)
    })
    this.journal.run(save, ...values)
  }

  /** Inside `write`: all that is only of use while the session exists. Its events stay. */
  remove(id: string): void {
    this.journal.run('DELETE FROM sessions WHERE id = ?', id)
    this.journal.run('DELETE FROM seen WHERE session_id = ?', id)
    this.journal.run('DELETE FROM dispatched_days WHERE session_id = ?', id)
    this.journal.run('DELETE FROM media_refs WHERE session_id = ?', id)
  }

  /** The files that its messages name, by SHA-256. */
  mediaOf(id: string): string[] {
    return this.journal
      .all<{ sha256: string }>('SELECT DISTINCT sha256 FROM media_refs WHERE session_id = ?', id)
      .map(({ sha256 }) => sha256)
  }

  lastInboundAt(id: string): number | undefined {
    const row = this.journal.get<{ at: number | null }>('SELECT last_inbound_at AS at FROM sessions WHERE id = ?', id)
    return row?.at ?? undefined
  }
}

function toRecord(row: Row): SessionRecord {
  const fields = Object.entries(columns).flatMap(([field, column]) => {
    const value = row[column]
    if (value === null || value === undefined) return []
    if (field === 'paired') return [[field, value === 1]]
    return [[field, json.has(field) ? (JSON.parse(String(value)) as unknown) : value]]
  })
  return Object.fromEntries(fields) as unknown as SessionRecord
}
