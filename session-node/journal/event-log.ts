import { createHash } from 'node:crypto'
import type { Cursor, EventBody, EventId, NodeEvent, SessionId, TenantId } from '../../proto/contract.js'
import { mediaOf } from '../../proto/contract.js'
import type { Clock } from '../../runtime/clock.js'
import { newId } from '../../runtime/ids.js'
import { Pulse } from '../pulse.js'
import type { Journal } from './journal.js'

/**
 * So many characters are read at once, and the event that goes beyond: some batches wait in memory for a reader that is
 * slow, and none may be larger than a gRPC message.
 */
const ENOUGH = 256 * 1_024

/** Whose event it is. */
export interface SessionRef {
  id: SessionId
  tenantId: TenantId
}

interface EventRow {
  position: number
  id: EventId
  session_id: SessionId
  tenant_id: TenantId
  at: number
  body: string
}

/**
 * What happened on this node, in order, without gaps: an event is in here before anything else learns of it. Readers
 * pull from the file at their own pace, so a slow one costs no memory.
 */
export class EventLog {
  /** Fires after commits. */
  readonly changed = new Pulse()

  constructor(
    private readonly journal: Journal,
    private readonly clock: Clock,
  ) {
    journal.onCommit(() => this.changed.fire())
  }

  /** Resolves to whether it is new: what has a key is taken once. */
  append(session: SessionRef, body: EventBody): Promise<boolean> {
    return this.journal.write(() => this.insert(session, body))
  }

  /** The same as part of a larger write. */
  insert(session: SessionRef, body: EventBody): boolean {
    const at = this.clock()
    const identity = identityOf(body)
    if (identity) {
      const { changes } = this.journal.run(
        `INSERT INTO seen (session_id, key, value, at) VALUES (?, ?, ?, ?)
         ON CONFLICT DO UPDATE SET value = excluded.value, at = excluded.at WHERE value <> excluded.value`,
        session.id,
        identity.key,
        identity.value,
        at,
      )
      if (changes === 0) return false
    }
    this.journal.run(
      'INSERT INTO events (id, session_id, tenant_id, at, body) VALUES (?, ?, ?, ?, ?)',
      newId('evt'),
      session.id,
      session.tenantId,
      at,
      JSON.stringify(body),
    )
    if (body.kind === 'message_received') this.noteInbound(session.id, body)
    return true
  }

  /** The events after a position, of these sessions or of all. `next` is where to read on. */
  read(position: number, limit: number, sessionIds?: ReadonlySet<SessionId>): { events: NodeEvent[]; next: number } {
    const rows: EventRow[] = []
    let length = 0
    const sql = 'SELECT * FROM events WHERE position > ? ORDER BY position LIMIT ?'
    for (const row of this.journal.each<EventRow>(sql, position, limit)) {
      rows.push(row)
      if ((length += row.body.length) >= ENOUGH) break
    }
    const epoch = this.end().epoch
    const wanted = sessionIds ? rows.filter((row) => sessionIds.has(row.session_id)) : rows
    return { events: wanted.map((row) => toEvent(row, epoch)), next: rows.at(-1)?.position ?? position }
  }

  /** The position of the newest event. */
  end(): Cursor {
    const { epoch, position } = this.journal.get<Cursor>(
      `SELECT epoch, coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'events'), 0) AS position FROM node`,
    ) as Cursor
    return { epoch, position }
  }

  /** Where a reader with this cursor begins: its own position, or the start of what is kept. */
  startFor(cursor: Cursor): Cursor {
    const end = this.end()
    if (cursor.epoch === end.epoch && cursor.position <= end.position) return cursor
    const oldest = this.journal.get<{ position: number | null }>('SELECT min(position) AS position FROM events')
    return { epoch: end.epoch, position: (oldest?.position ?? end.position + 1) - 1 }
  }

  /** A reader has seen more than this log holds: the journal is an older copy of itself. */
  isBehind(cursor: Cursor): boolean {
    const end = this.end()
    return cursor.epoch === end.epoch && cursor.position > end.position
  }

  /** Inside `write`: forgets the old numbering. What the log still held had been read by whoever was ahead of it. */
  beginEpoch(): void {
    this.journal.run('DELETE FROM events')
    this.journal.run(`DELETE FROM sqlite_sequence WHERE name = 'events'`)
    this.journal.run('UPDATE node SET epoch = ?, acknowledged = 0', newId('epo'))
  }

  /** Forgotten in a crash, it is told again, or the events are kept a little longer. */
  acknowledge(position: number): Promise<void> {
    return this.journal.writeEventually(() => {
      const upTo = Math.min(position, this.end().position)
      this.journal.run('UPDATE node SET acknowledged = max(acknowledged, ?)', upTo)
    })
  }

  /** What it takes on the disk, about. */
  bytes(): number {
    return this.journal.get<{ bytes: number }>('SELECT event_bytes AS bytes FROM node')?.bytes ?? 0
  }

  acknowledged(): number {
    return this.journal.get<{ acknowledged: number }>('SELECT acknowledged FROM node')?.acknowledged ?? 0
  }

  private noteInbound(sessionId: SessionId, body: EventBody & { kind: 'message_received' }) {
    this.journal.run(
      'UPDATE sessions SET last_inbound_at = max(coalesce(last_inbound_at, 0), ?) WHERE id = ?',
      body.sentAt,
      sessionId,
    )
    const media = mediaOf(body.content)
    if (!media?.sha256) return
    this.journal.run(
      `INSERT INTO media_refs (sha256, direction, ref, session_id, at) VALUES (?, 'in', ?, ?, ?) ON CONFLICT DO NOTHING`,
      media.sha256,
      `${sessionId} ${body.waMessageId}`,
      sessionId,
      this.clock(),
    )
  }
}

function toEvent(row: EventRow, epoch: string): NodeEvent {
  return {
    id: row.id,
    sessionId: row.session_id,
    tenantId: row.tenant_id,
    epoch,
    position: row.position,
    at: row.at,
    body: JSON.parse(row.body) as EventBody,
  }
}

/**
 * What makes an event of WhatsApp the same one when it is told again: its key, and for what may change again, its value.
 */
function identityOf(body: EventBody): { key: string; value: string } | undefined {
  switch (body.kind) {
    case 'message_received':
      return { key: `message ${body.waMessageId}`, value: '' }
    case 'message_edited':
      return { key: `edit ${body.waMessageId}`, value: hash(body.body) }
    case 'message_deleted':
      return { key: `delete ${body.waMessageId}`, value: '' }
    case 'message_reaction':
      return { key: `reaction ${body.waMessageId} ${body.from}`, value: hash(body.emoji) }
    case 'poll_vote':
      return { key: `vote ${body.waMessageId} ${body.from}`, value: hash(JSON.stringify(body.options)) }
    case 'message_status':
      // Those of our own messages move forward by their row.
      return body.messageId ? undefined : { key: `status ${body.waMessageId} ${body.status}`, value: '' }
    case 'call':
      return { key: `call ${body.callId}`, value: '' }
    case 'group':
    case 'session_status':
    case 'message_queued':
      return undefined
  }
}

const hash = (text: string) => createHash('sha256').update(text).digest('base64url').slice(0, 16)
