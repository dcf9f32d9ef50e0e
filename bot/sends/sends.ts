import type { Content, MessageId, NodeEvent, OutgoingMessage, SessionId } from '../../proto/contract.js'
import { outgoingToProto } from '../../proto/mapping.js'
import { explain, takesMessages } from '../../proto/reasons.js'
import { waMessageId } from '../../proto/wa-message-id.js'
import { AppError, errorCodes } from '../../runtime/app-error.js'
import type { Clock } from '../../runtime/clock.js'
import type { Service } from '../../runtime/lifecycle.js'
import type { Logger } from '../../runtime/log.js'
import { currentTrace } from '../../runtime/trace.js'
import type { AuditTrail } from '../audit/audit-trail.js'
import { decisionButtons } from '../alerts/held-messages.js'
import type { Background } from '../background.js'
import { messageIdOf } from '../message-id.js'
import type { LiveSession, LiveSessions } from '../sessions/live-sessions.js'
import type { Tenants } from '../sessions/tenants.js'
import { rich, lines } from '../telegram/html.js'
import type { Manner, Talk } from '../telegram/talk.js'
import { TelegramCallError } from '../telegram/telegram-api.js'
import { type SendRecord, type SendRecords, showing } from './send-records.js'
import { movesOn, sendAnswer } from './send-status.js'

/** Shown instead of a status. */
const NOT_HANDED_OVER = 'not handed over'
const EXPIRES_MS = 86_400_000
/** An answer that could not be given is given by a later start, unless it is this old. */
const UNANSWERED_MS = 86_400_000

export interface Sending {
  session: LiveSession
  to: string
  content: Content
  /** Inner WhatsApp id of the quoted message. */
  replyTo?: string
  /** The Telegram message that asks for it. */
  chatId: number
  messageId: number
  /** Data of a button that asks for the same once more. */
  again: () => string
}

interface Parts {
  botId: number
  records: SendRecords
  live: LiveSessions
  tenants: Pick<Tenants, 'refuseSuspended'>
  audit: Pick<AuditTrail, 'note'>
  talk: Talk
  background: Background
  clock: Clock
  log: Logger
}

/** Messages that operators send: handed to the session's node, and shown as they move. */
export class Sends implements Service {
  private readonly answering = new Map<MessageId, Promise<void>>()

  constructor(private readonly parts: Parts) {}

  /** Brings answers up to date that an earlier run left behind. */
  start(): Promise<void> {
    const { records, clock } = this.parts
    for (const messageId of records.outdated(clock() - UNANSWERED_MS)) this.refresh(messageId)
    return Promise.resolve()
  }

  stop(): Promise<void> {
    return Promise.resolve()
  }

  /**
   * Asked again for the same Telegram message, it hands the same message over again, which does nothing on a node that
   * has it. Throws `not_ready` when the session takes no messages, and
   * `forbidden` when its tenant is suspended, before anything is kept.
   */
  async send(sending: Sending): Promise<void> {
    const { botId, records, live, tenants, audit, clock } = this.parts
    const { session, chatId, messageId } = sending
    const id = messageIdOf(botId, chatId, messageId)
    const known = records.find(id)
    if (known && known.sessionId !== session.id) {
      throw new AppError('conflict', `This message went to ${this.nameOf(known)} already.`)
    }
    if (!known && !takesMessages(session.status)) {
      const why = session.reason ? ` ${explain(session.reason)}` : ''
      throw new AppError('not_ready', `${session.name} takes no messages: it is ${session.status}.${why}`)
    }
    if (!known) await tenants.refuseSuspended(session.tenantId)
    const trace = currentTrace()
    const message: OutgoingMessage = {
      id,
      waMessageId: waMessageId(id),
      to: sending.to,
      content: sending.content,
      ...(sending.replyTo ? { replyTo: sending.replyTo } : {}),
      mentions: [],
      expiresInMs: EXPIRES_MS,
      origin: 'telegram',
      onUnknown: 'resend',
      ...(trace ? { traceId: trace.id } : {}),
    }
    if (!known) audit.note('sendMessage', session, id)
    // Kept before it is handed over, so that no event about it can come too early.
    const record = known ?? records.add(message, { sessionId: session.id, chatId, messageId }, clock())
    if (record.status === 'pending') {
      try {
        const request = { sessionId: session.id, messages: [outgoingToProto(message)] }
        const { results } = await live.clientOf(session).call('SendMessages', request)
        const refused = results.find((result) => result.errorCode !== '')
        if (refused) this.refuse(id, refused.errorCode, refused.error)
        if (record.shown === NOT_HANDED_OVER) records.setShown(id, '')
      } catch (error) {
        return this.tellNotHandedOver(record, sending, error)
      }
    }
    await this.answer(id)
  }

  /** Inside the transaction that saves the position. True when it was about a message of an operator. */
  note({ sessionId, body }: NodeEvent): boolean {
    if (body.kind !== 'message_status') return false
    const { records } = this.parts
    const record = body.messageId ? records.find(body.messageId) : records.findByWhatsAppId(sessionId, body.waMessageId)
    if (!record || record.sessionId !== sessionId || !movesOn(record.status, body.status)) return false
    records.setStatus(record.messageId, body.status, body.reason ?? null, body.error ?? null)
    this.refresh(record.messageId)
    return true
  }

  /** Undefined for messages that did not come from Telegram. */
  sessionOf(id: string): SessionId | undefined {
    return this.parts.records.find(id as MessageId)?.sessionId
  }

  private refuse(id: MessageId, errorCode: string, error: string): void {
    const code = errorCodes.find((known) => known === errorCode) ?? 'internal'
    this.parts.records.setStatus(id, 'failed', null, error === '' ? code : error)
  }

  private async tellNotHandedOver(record: SendRecord, sending: Sending, thrown: unknown): Promise<void> {
    if (!(thrown instanceof AppError)) throw thrown
    const { talk, records, log } = this.parts
    log.warn({ err: thrown, message: record.messageId, session: sending.session.id }, 'message.not_handed_over')
    const text = lines(
      rich`⚠️ ${thrown.message}`,
      rich`The message may not have been taken on. Trying again cannot send it twice.`,
    )
    const buttons = [[{ text: 'Try again', data: sending.again() }]]
    if (record.answerId !== null) return talk.edit(record.chatId, record.answerId, text, { buttons })
    const answerId = await talk.say(record.chatId, text, { replyTo: record.commandId, buttons })
    // What comes of it after all is shown in the same place.
    records.setAnswer(record.messageId, answerId, NOT_HANDED_OVER)
  }

  /** Says how far it is, once, and keeps that up to date. */
  private async answer(id: MessageId): Promise<void> {
    const { records } = this.parts
    if (records.get(id).answerId === null) {
      const saying = this.answering.get(id) ?? this.sayAnswer(id).finally(() => this.answering.delete(id))
      this.answering.set(id, saying)
      await saying
    }
    await this.show(id)
  }

  private async sayAnswer(id: MessageId): Promise<void> {
    const { talk, records } = this.parts
    const record = records.get(id)
    const text = sendAnswer(record, this.nameOf(record))
    const answerId = await talk.say(record.chatId, text, { replyTo: record.commandId, ...choicesOf(record) })
    records.setAnswer(id, answerId, showing(record))
  }

  private refresh(id: MessageId): void {
    const { background, log } = this.parts
    background.run(
      () => this.answer(id),
      (err) => log.warn({ err, message: id }, 'answer.not_updated'),
    )
  }

  /** Edits the answer to what is known by now. */
  private async show(id: MessageId): Promise<void> {
    const { talk, records } = this.parts
    const record = records.find(id)
    if (!record || record.answerId === null || record.shown === showing(record)) return
    // Nothing was heard of it since: it still waits to be tried again.
    if (record.shown === NOT_HANDED_OVER && showing(record) === 'pending:') return
    try {
      await talk.edit(record.chatId, record.answerId, sendAnswer(record, this.nameOf(record)), choicesOf(record))
    } catch (error) {
      // Deleted, or too old to be edited: there is nothing left to keep up to date.
      if (!(error instanceof TelegramCallError) || error.passing) throw error
    }
    records.setShown(id, showing(record))
  }

  private nameOf({ sessionId }: SendRecord): string {
    return this.parts.live.nameOf(sessionId)
  }
}

function choicesOf({ messageId, status, reason }: SendRecord): Manner {
  return status === 'unknown' && reason === 'held' ? { buttons: decisionButtons(messageId) } : {}
}
