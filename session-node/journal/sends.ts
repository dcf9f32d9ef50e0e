import type { MessageId, MessageStatus, OutgoingMessage, SessionId, TenantId } from '../../proto/contract.js'
import { mediaOf } from '../../proto/contract.js'
import type { Clock } from '../../runtime/clock.js'
import type { SessionRef } from './event-log.js'
import type { Journal } from './journal.js'

/**
 * queued -> dispatching (written before the page is touched) -> dispatched (in the page's hands, no ack yet) -> done.
 * unknown: it may have gone out, and is looked for. held: a person decides. done: nothing is to be sent any more.
 */
export type SendState = 'queued' | 'dispatching' | 'dispatched' | 'unknown' | 'held' | 'done'

/** A message that the node took on. */
export interface Send {
  id: MessageId
  sessionId: SessionId
  tenantId: TenantId
  waMessageId: string
  chatId: string
  state: SendState
  /** As last told. */
  status: MessageStatus
  reason?: string
  resends: number
  /** By a person. */
  resendAsked: boolean
  expiresAt: number
}

/** One that may still have to be sent. */
export interface OpenSend extends Send {
  message: OutgoingMessage
}

interface SendRow {
  message_id: MessageId
  session_id: SessionId
  tenant_id: TenantId
  wa_message_id: string
  chat_id: string
  message: string | null
  state: SendState
  status: MessageStatus
  reason: string | null
  resends: number
  resend_asked: number
  expires_at: number
}

/** Methods that write run inside `journal.write`. `state <> 'done'` in a query is what lets it use the small index. */
export class Sends {
  constructor(
    private readonly journal: Journal,
    private readonly clock: Clock,
    private readonly steady: Clock = clock,
  ) {}

  /** Takes a message on. `known`: it was taken before. `cancelled`: its cancellation came first. */
  take(session: SessionRef, message: OutgoingMessage): 'taken' | 'known' | 'cancelled' {
    const now = this.clock()
    const { changes } = this.journal.run(
      `INSERT INTO sends (message_id, session_id, tenant_id, wa_message_id, chat_id, message, state, status,
         resend_asked, expires_at, changed_at)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (message_id) DO NOTHING`,
      message.id,
      session.id,
      session.tenantId,
      message.waMessageId,
      message.to,
      JSON.stringify(message),
      ...(message.lookFirst ? ['unknown', 'unknown', 1] : ['queued', 'pending', 0]),
      this.steady() + message.expiresInMs,
      now,
    )
    if (changes === 0) {
      if (message.lookFirst) this.takeBack(message, now)
      return 'known'
    }
    const media = mediaOf(message.content)
    if (media?.sha256) this.reference(media.sha256, message.id, session.id)
    return this.journal.get('SELECT 1 FROM tombstones WHERE message_id = ?', message.id) ? 'cancelled' : 'taken'
  }

  /** A cancellation that came before its message. */
  bury(id: MessageId): void {
    this.journal.run('INSERT INTO tombstones (message_id, at) VALUES (?, ?) ON CONFLICT DO NOTHING', id, this.clock())
  }

  find(id: MessageId): Send | undefined {
    const row = this.journal.get<SendRow>('SELECT * FROM sends WHERE message_id = ?', id)
    return row && toSend(row)
  }

  findByWaId(sessionId: SessionId, waMessageId: string): Send | undefined {
    const row = this.journal.get<SendRow>(
      'SELECT * FROM sends WHERE session_id = ? AND wa_message_id = ?',
      sessionId,
      waMessageId,
    )
    return row && toSend(row)
  }

  /** The oldest that wait, in order of hand-over: one that is sent again stands at the front by its old position. */
  queued(sessionId: SessionId, limit: number): OpenSend[] {
    return this.inState(sessionId, 'queued', limit)
  }

  inState(sessionId: SessionId, state: SendState, limit: number): OpenSend[] {
    return this.journal
      .all<SendRow>(
        `SELECT * FROM sends WHERE session_id = ? AND state = ? AND state <> 'done' ORDER BY position LIMIT ?`,
        sessionId,
        state,
        limit,
      )
      .map(toOpenSend)
  }

  /** All that is not done yet. */
  open(sessionId: SessionId): OpenSend[] {
    return this.journal
      .all<SendRow>(
        `SELECT * FROM sends INDEXED BY sends_open WHERE session_id = ? AND state <> 'done' ORDER BY position`,
        sessionId,
      )
      .map(toOpenSend)
  }

  waiting(sessionId: SessionId): number {
    const row = this.journal.get<{ count: number }>(
      `SELECT count(*) AS count FROM sends WHERE session_id = ? AND state = 'queued' AND state <> 'done'`,
      sessionId,
    )
    return row?.count ?? 0
  }

  expired(now: number, limit: number): Send[] {
    return this.journal
      .all<SendRow>(`SELECT * FROM sends WHERE state = 'queued' AND expires_at <= ? LIMIT ?`, now, limit)
      .map(toSend)
  }

  /** Compare-and-set of the state; answers whether it was `from`. */
  move(id: MessageId, from: SendState, to: SendState): boolean {
    const { changes } = this.journal.run(
      'UPDATE sends SET state = ?, changed_at = ? WHERE message_id = ? AND state = ?',
      to,
      this.clock(),
      id,
      from,
    )
    return changes === 1
  }

  countResend(id: MessageId): void {
    this.journal.run('UPDATE sends SET resends = resends + 1, resend_asked = 0 WHERE message_id = ?', id)
  }

  /** A person asked for it, with time to go out. */
  askResend(id: MessageId, expiresAt: number): void {
    this.journal.run(
      'UPDATE sends SET resend_asked = 1, expires_at = max(expires_at, ?) WHERE message_id = ?',
      expiresAt,
      id,
    )
  }

  /** How long a message may wait, as it was handed over. Undefined once nothing is to be sent any more. */
  lifetimeMs(id: MessageId): number | undefined {
    const row = this.journal.get<Pick<SendRow, 'message'>>('SELECT message FROM sends WHERE message_id = ?', id)
    return row?.message ? (JSON.parse(row.message) as OutgoingMessage).expiresInMs : undefined
  }

  /** Writes down what was told. What is done forgets what it said. */
  settle(id: MessageId, state: SendState, status: MessageStatus, reason: string | undefined): void {
    this.journal.run(
      `UPDATE sends SET state = ?, status = ?, reason = ?, changed_at = ?,
         message = CASE WHEN ? = 'done' THEN NULL ELSE message END WHERE message_id = ?`,
      state,
      status,
      reason ?? null,
      this.clock(),
      state,
      id,
    )
    if (state === 'done') this.dereference(id)
  }

  /** Messages dispatched on a UTC day. */
  dispatchedOn(sessionId: SessionId, day: string): number {
    const row = this.journal.get<{ count: number }>(
      'SELECT count FROM dispatched_days WHERE session_id = ? AND day = ?',
      sessionId,
      day,
    )
    return row?.count ?? 0
  }

  countDispatched(sessionId: SessionId, day: string, count: number): void {
    this.journal.run(
      `INSERT INTO dispatched_days (session_id, day, count) VALUES (?, ?, ?)
       ON CONFLICT DO UPDATE SET count = count + excluded.count`,
      sessionId,
      day,
      count,
    )
  }

  /** As if it had never been handed over. */
  forget(id: MessageId): void {
    this.journal.run('DELETE FROM sends WHERE message_id = ?', id)
    this.dereference(id)
  }

  /** It may have gone out from here, and another node has its session: nothing more is done about it here. */
  giveAway(id: MessageId): void {
    this.journal.run(
      `UPDATE sends SET state = 'held', reason = 'placed_elsewhere', changed_at = ? WHERE message_id = ?`,
      this.clock(),
      id,
    )
  }

  /** One that was given away, as its session has come back to this node. */
  private takeBack(message: OutgoingMessage, now: number) {
    this.journal.run(
      `UPDATE sends SET state = 'unknown', status = 'unknown', reason = NULL, resend_asked = 1, message = ?,
         expires_at = ?, changed_at = ? WHERE message_id = ? AND reason = 'placed_elsewhere'`,
      JSON.stringify(message),
      this.steady() + message.expiresInMs,
      now,
      message.id,
    )
  }

  private dereference(id: MessageId) {
    this.journal.run(`DELETE FROM media_refs WHERE direction = 'out' AND ref = ?`, id)
  }

  private reference(sha256: string, messageId: MessageId, sessionId: SessionId) {
    this.journal.run(
      `INSERT INTO media_refs (sha256, direction, ref, session_id, at) VALUES (?, 'out', ?, ?, ?)
       ON CONFLICT DO NOTHING`,
      sha256,
      messageId,
      sessionId,
      this.clock(),
    )
  }
}

function toSend(row: SendRow): Send {
  return {
    id: row.message_id,
    sessionId: row.session_id,
    tenantId: row.tenant_id,
    waMessageId: row.wa_message_id,
    chatId: row.chat_id,
    state: row.state,
    status: row.status,
    ...(row.reason === null ? {} : { reason: row.reason }),
    resends: row.resends,
    resendAsked: row.resend_asked === 1,
    expiresAt: row.expires_at,
  }
}

function toOpenSend(row: SendRow): OpenSend {
  return { ...toSend(row), message: JSON.parse(row.message ?? 'null') as OutgoingMessage }
}
