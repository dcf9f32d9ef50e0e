/** Messages as the API sees them: accepted, waited for, listed, cancelled. */
import type { MessageId, NodeId, SessionId, TenantId } from '../../proto/contract.js'
import { takesMessages } from '../../proto/reasons.js'
import type { NodeDirectory } from '../../proto/node-directory.js'
import { AppError } from '../../runtime/app-error.js'
import type { Clock } from '../../runtime/clock.js'
import { faultPoint } from '../../runtime/fault-point.js'
import { isId } from '../../runtime/ids.js'
import type { Database, Tx } from '../db/database.js'
import type { EventRepository } from '../events/event-repository.js'
import { mayUse } from '../http/authenticate.js'
import { checkSame, type GivenKey, type IdempotencyKey, type StoredAnswer } from '../idempotency/idempotency-key.js'
import type { Claim, IdempotencyKeys } from '../idempotency/idempotency-keys.js'
import type { Session } from '../sessions/session.js'
import type { ApiKey } from '../tenants/api-key.js'
import { isSettled, type Message, type StatusChange, waitsForPerson } from './message.js'
import { MessageAcceptor, type MessageAcceptorOptions } from './message-acceptor.js'
import { MessageBatch } from './message-events.js'
import { statusEvent } from './message-told.js'
import { type DraftContext, draftMessage, needsFetching } from './message-draft.js'
import type { MessageNews } from './message-news.js'
import type { MessageFilter, MessageRepository, Placed } from './message-repository.js'
import type { MessageRequest } from './message-request.js'
import type { OpenMessages } from './open-messages.js'

export interface MessagesOptions {
  db: Database
  repository: MessageRepository
  events: EventRepository
  open: OpenMessages
  news: MessageNews
  directory: Pick<NodeDirectory, 'get'>
  sessions: {
    /** As it was a second ago at most. Throws `not_found`. */
    recent: (tenantId: TenantId, ref: string, key?: ApiKey) => Promise<Session>
    /** Deleted ones too: their messages stay. */
    find: (id: SessionId) => Promise<Session | null>
  }
  keys: IdempotencyKeys
  quotas: MessageAcceptorOptions['quotas']
  handOver: { wake: (session: Session, message: Message) => void; isLive: (nodeId: NodeId) => boolean }
  keepMedia: (caller: Caller, ...args: Parameters<DraftContext['keepMedia']>) => ReturnType<DraftContext['keepMedia']>
  /** A message was taken on. For the metrics. */
  onAccepted: () => void
  clock: Clock
  time: Clock
}

/** Who asks: a tenant, by one of its keys. */
export interface Caller {
  tenantId: TenantId
  key: ApiKey
  traceId?: string
}

/** The key that a message is asked under. */
export interface Under {
  key: GivenKey
  /** What is asked, as the caller wrote it. */
  asked: unknown
  /** For requests that claimed their key before they took an upload. */
  claim?: Claim | undefined
  answer: (message: Message) => Promise<StoredAnswer>
}

/** A message taken on, and what an equal request will be answered; or, under a key that was used before, that one. */
export type Acceptance = { message: Message; answer: StoredAnswer } | { earlier: IdempotencyKey }

export class Messages {
  private readonly acceptor: MessageAcceptor

  constructor(private readonly options: MessagesOptions) {
    this.acceptor = new MessageAcceptor(options)
  }

  /** Resolves once everything accepted is stored. */
  async stop(): Promise<void> {
    await this.acceptor.idle()
  }

  /**
   * Takes a message on: it is stored when this resolves. Throws `not_ready` while the session waits for a person,
   * `rate_limited` (`quota_exceeded`), and what `draftMessage` throws.
   */
  async accept(caller: Caller, ref: string, request: MessageRequest): Promise<Message> {
    const session = await this.session(caller, ref)
    const message = await this.draft(session, request, caller)
    await this.acceptor.add(message)
    this.stored(session, message)
    return message
  }

  /**
   * `accept` under a key, which is stored with the message. Throws `conflict` (`idempotency_in_progress`) and
   * `unprocessable` (`idempotency_key_reused`), too.
   */
  async acceptOnce(caller: Caller, ref: string, request: MessageRequest, under: Under): Promise<Acceptance> {
    const { keys } = this.options
    const session = await this.session(caller, ref)
    // Its file is fetched before it can be stored: by one request only.
    if (under.claim || !needsFetching(request)) return this.storeOnce(session, request, under, caller)
    const claim = await keys.claim(under.key.asks(under.asked, session.id))
    if ('answered' in claim) return { earlier: claim.answered }
    return keys.hold(claim, () => this.storeOnce(session, request, { ...under, claim }, caller))
  }

  private async storeOnce(
    session: Session,
    request: MessageRequest,
    under: Under,
    caller: Caller,
  ): Promise<Acceptance> {
    const { key, asked, claim } = under
    const keyed = key.asks(asked, session.id)
    const told = (earlier: IdempotencyKey) => {
      checkSame(earlier, keyed)
      return { earlier }
    }
    const message = await this.draft(session, request, caller).catch(async (error: unknown) => {
      // What was accepted then is answered now, whatever has become of the session since.
      const earlier = claim ? null : await this.options.keys.find(key.id)
      if (!earlier) throw error
      return told(earlier)
    })
    if ('earlier' in message) return message
    const answer = await under.answer(message)
    const earlier = await this.acceptor.addOnce(message, { request: keyed, claim, made: message.id, answer })
    if (earlier) return told(earlier)
    this.stored(session, message)
    return { message, answer }
  }

  private async draft(session: Session, request: MessageRequest, caller: Caller): Promise<Message> {
    if (!takesMessages(session.status)) {
      throw new AppError('not_ready', `The session ${session.name} is ${session.status} and takes no messages.`)
    }
    const { clock, time } = this.options
    const keepMedia: DraftContext['keepMedia'] = (...args) => this.options.keepMedia(caller, ...args)
    const findMessage = (owner: TenantId, id: MessageId) => this.options.repository.find(owner, id)
    const message = await draftMessage(session, request, { clock, time, findMessage, keepMedia })
    if (caller.traceId) message.traceId = caller.traceId
    // With the node in reach it may have the message a moment after the commit.
    message.offered = this.options.handOver.isLive(session.nodeId)
    return message
  }

  private stored(session: Session, message: Message): void {
    faultPoint('message.stored')
    this.options.onAccepted()
    this.options.handOver.wake(session, message)
  }

  /** The message once it is sent, failed or unknown; as it stands when time is up, or when the gateway stops. */
  async settled(message: Message, waitMs: number, stopping: AbortSignal): Promise<Message> {
    const until = performance.now() + waitMs
    let newest = message
    while (!isSettled(newest.status) && newest.status !== 'unknown' && !stopping.aborted) {
      const left = until - performance.now()
      if (left <= 0) return newest
      // Another gateway may follow the node: then the row tells, not the news of this process.
      const news = this.options.news.next(message.id, Math.min(left, POLL_MS), stopping)
      const stored = await this.options.repository.find(message.tenantId, message.id)
      const told = stored && isSettled(stored.status) ? stored : await news
      newest = told ?? stored ?? newest
    }
    return newest
  }

  /** Throws `not_found`. */
  async get({ tenantId, key }: Caller, id: string): Promise<Message> {
    const message = isId('msg', id) ? await this.options.repository.find(tenantId, id) : null
    if (!message || !mayUse(key, message.sessionId))
      throw new AppError('not_found', 'There is no such message.', { reason: 'message_not_found' })
    return message
  }

  history(message: Message): Promise<StatusChange[]> {
    return this.options.repository.history(message.tenantId, message.id)
  }

  async list(
    caller: Caller,
    filter: Omit<MessageFilter, 'sessionIds'> & { session?: string | undefined },
    page: { limit: number; before: number | undefined },
  ): Promise<Placed[]> {
    const { session, ...same } = filter
    const named = session === undefined ? undefined : await this.session(caller, session)
    const allowed = caller.key.sessions.includes('*') ? undefined : (caller.key.sessions as SessionId[])
    const sessionIds = named ? [named.id] : allowed
    return this.options.repository.list(caller.tenantId, { ...same, sessionIds }, page)
  }

  /**
   * Takes a message back that has not been sent. Throws `not_found`, `conflict` (`already_sent`), and `unavailable` when
   * the node is away and may have it: then nothing changes.
   */
  async cancel(caller: Caller, id: string): Promise<Message> {
    const message = await this.get(caller, id)
    if (message.direction !== 'out' || message.status !== 'pending') throw alreadySent(message)
    const session = await this.options.sessions.find(message.sessionId)
    if (!message.offered && (await this.fail(message, 'unoffered'))) return this.get(caller, id)
    if (session) {
      const node = this.options.directory.get(session.nodeId)
      const { cancelled } = await node.call('CancelMessage', { sessionId: message.sessionId, messageId: message.id })
      if (!cancelled) throw alreadySent(await this.get(caller, id))
    }
    await this.fail(message, 'pending')
    return this.get(caller, id)
  }

  /** Throws `not_found`, also for one that this key is not for. */
  session({ tenantId, key }: Caller, ref: string): Promise<Session> {
    return this.options.sessions.recent(tenantId, ref, key)
  }

  /** Before a session is deleted: what it has not sent will not be, some at a time. */
  async failMost(session: Session): Promise<void> {
    const { open, news } = this.options
    await open.move(session.id, { to: 'failed', reason: 'session_deleted', onMoved: (failed) => news.publish(failed) })
  }

  /** In the transaction that deletes it: what came in since. */
  async failOpen(tx: Tx, session: Session): Promise<void> {
    const { db, repository, news } = this.options
    const failed = await this.failAll(tx, await repository.openOf(tx, session.id), 'session_deleted')
    db.afterCommit(tx, () => news.publish(failed))
  }

  /** Answers false when the message is not, or no longer, one that can fail this way. */
  private async fail(message: Message, which: 'unoffered' | 'pending'): Promise<boolean> {
    const { db, repository, news } = this.options
    const failed = await db.write(async (tx) => {
      const newest = await repository.lockedByIds(tx, [message.id])
      const still = newest.filter(({ status, awaiting, offered }) => {
        return status === 'pending' && (which === 'pending' || (awaiting && !offered))
      })
      return this.failAll(tx, still, 'cancelled')
    })
    news.publish(failed)
    return failed.length > 0
  }

  private async failAll(tx: Tx, messages: readonly Message[], reason: string): Promise<Message[]> {
    const { repository, events, clock } = this.options
    const at = clock()
    const batch = new MessageBatch(messages)
    const failed = messages.flatMap((message) => batch.move(message, { status: 'failed', reason, at }) ?? [])
    await repository.change(tx, batch.changes())
    await repository.addHistory(tx, batch.history)
    const told = failed.map((message) => statusEvent(message, at))
    await events.add(tx, told, at)
    return failed
  }
}

const POLL_MS = 1_000

function alreadySent(message: Message): AppError {
  const why = waitsForPerson(message)
    ? 'It is not known whether the message went out: settle it instead.'
    : `The message is ${message.status} and cannot be taken back.`
  return new AppError('conflict', why, { reason: 'already_sent' })
}
