/** Messages, media, events and the nodes they come from and go to: built together, because they live off each other. */
import type { TenantId } from '../proto/contract.js'
import type { NodeDirectory } from '../proto/node-directory.js'
import type { Clock } from '../runtime/clock.js'
import { inOrder, type Service } from '../runtime/lifecycle.js'
import { newId } from '../runtime/ids.js'
import type { Logger } from '../runtime/log.js'
import type { Metrics } from '../runtime/metrics.js'
import type { Database, Tx } from './db/database.js'
import { createEventStreams } from './events/create-event-streams.js'
import { EventPresenter } from './events/event-presenter.js'
import { EventRepository } from './events/event-repository.js'
import { SealedData } from './events/sealed-data.js'
import { type Keyless, mayUse } from './http/authenticate.js'
import type { ApiRouter, OpenRouter } from './http/context.js'
import { createGuardedClient } from './http/guarded-client.js'
import type { IdempotencyKeys } from './idempotency/idempotency-keys.js'
import type { KeyedRequests } from './idempotency/keyed-requests.js'
import type { Limits } from './limits/create-limits.js'
import { QuotaRepository } from './limits/quota-repository.js'
import { Quotas } from './limits/quotas.js'
import { createMedia } from './media/create-media.js'
import { MediaLinks } from './media/media-links.js'
import { isSignedMedia, mediaRoutes, signedMediaRoutes } from './media/media-routes.js'
import type { S3Settings } from './media/s3-media-store.js'
import { decisionRoutes } from './messages/decision-routes.js'
import { MessageFilesRepository } from './messages/message-files-repository.js'
import { MessageDecisions } from './messages/message-decisions.js'
import type { MediaId } from './messages/message.js'
import { MessageMetrics } from './messages/message-metrics.js'
import { MessageNews } from './messages/message-news.js'
import { MessageRepository } from './messages/message-repository.js'
import { messageRoutes } from './messages/message-routes.js'
import { MessageViews } from './messages/message-views.js'
import { Messages } from './messages/messages.js'
import { OpenMessages } from './messages/open-messages.js'
import { OpenMessagesRepository } from './messages/open-messages-repository.js'
import { shortMessageRoutes } from './messages/short-message-routes.js'
import { EventStoring } from './nodes/event-storing.js'
import { noticeRoutes } from './notices/notice-routes.js'
import { HandOver } from './nodes/hand-over.js'
import { LostNodes } from './nodes/lost-nodes.js'
import { NodeCursorRepository } from './nodes/node-cursor-repository.js'
import { NodeLinks, type NodeLinksOptions } from './nodes/node-links.js'
import { addNodeMetrics } from './nodes/node-metrics.js'
import type { NodePresence } from './nodes/node-presence.js'
import { nodeRoutes } from './nodes/node-routes.js'
import { UnsentMessages } from './nodes/unsent-messages.js'
import { OldAudit } from './retention/old-audit.js'
import { OldEvents } from './retention/old-events.js'
import { OldMedia, StrayFiles } from './retention/old-media.js'
import { OldUsage } from './retention/old-usage.js'
import { OldMessages } from './retention/old-messages.js'
import { defaultRetention, Retention, type RetentionConfig } from './retention/retention.js'
import { RetentionTurn } from './retention/retention-turn.js'
import type { Session } from './sessions/session.js'
import { type SessionEvents, sessionTold } from './sessions/session-events.js'
import type { Sessions } from './sessions/sessions.js'
import type { Secrets } from './tenants/secrets.js'
import type { Tenants } from './tenants/tenants.js'
import { createUsage, type Usage } from './usage/create-usage.js'
import { createWebhooks, type WebhookSettings } from './webhooks/create-webhooks.js'

export interface MessagingOptions {
  db: Database
  directory: NodeDirectory
  secrets: Secrets
  limits: Limits
  tenants: Tenants
  sessionEvents: SessionEvents
  keys: IdempotencyKeys
  keyed: KeyedRequests
  /** Built after this, because sessions ask who is present. */
  sessions: () => Pick<Sessions, 'get' | 'recent' | 'find' | 'findAll' | 'placesOf' | 'start' | 'deleted'>
  /** Sessions that a node has and that are not its own. */
  strays: NodeLinksOptions['strays']
  dataDir: string
  /** Where files are kept; in `dataDir` unless given. */
  s3: S3Settings | undefined
  /** How long what is over is kept. */
  retention: Partial<RetentionConfig> | undefined
  webhooks: WebhookSettings
  /** How long a URL of a file in an event is good. */
  mediaUrlMs: number
  publicUrl: () => string
  metrics: Metrics
  clock: Clock
  /** For what is due, however the wall clock is set. */
  time: Clock
  log: Logger
}

export interface Messaging extends Service {
  presence: NodePresence
  /** In the transaction that makes a session: its first event. */
  onSessionCreated: (tx: Tx, session: Session) => Promise<void>
  /** In the transaction that deletes a session: what it has not sent will not be. */
  onSessionDeleting: (session: Session) => Promise<void>
  onSessionDeleted: (tx: Tx, session: Session) => Promise<void>
  quotas: Quotas
  /** Nothing is delivered any more for a tenant. */
  endWebhooks: (tenantId: TenantId) => Promise<void>
  removeFiles: (ids: readonly string[]) => Promise<void>
  routes: ApiRouter[]
  retention: Pick<Retention, 'trimOnce'>
  usage: Pick<Usage, 'recount'>
  /** Below `/api/v1`, without a key. */
  open: OpenRouter[]
  keyless: Keyless
}

export function createMessaging(options: MessagingOptions): Messaging {
  const { db, directory, keys, keyed, metrics, clock, time, log } = options
  const sessions: Pick<Sessions, 'get' | 'recent' | 'find' | 'start'> = {
    get: (...args) => options.sessions().get(...args),
    recent: (...args) => options.sessions().recent(...args),
    find: (...args) => options.sessions().find(...args),
    start: (...args) => options.sessions().start(...args),
  }
  const isSuspended = async (tenantId: TenantId) => (await options.tenants.find(tenantId))?.status !== 'active'
  const usage = createUsage({
    ...{ db, metrics, clock, time, log },
    sessions: {
      get: (...args) => options.sessions().get(...args),
      findAll: (ids) => options.sessions().findAll(ids),
    },
    tenantIdOf: async (ref) => (await options.tenants.get(ref)).id,
    quotaState: (tenantId) => quotas.state(tenantId),
    mediaState: (tenantId) => files.quota.state(tenantId),
    presence: { lastHeardAt: (nodeId) => links.lastHeardAt(nodeId) },
    liveNodes: () => links.liveNodes().map(({ nodeId }) => nodeId),
    sessionsOn: (nodeId) => options.sessionEvents.on(nodeId),
    turn: new RetentionTurn(db, time, 'usage_turn'),
    keep: {
      messages: options.retention?.messages ?? defaultRetention.messages,
      deliveries: Math.min(...Object.values(options.webhooks.retention)),
    },
  })
  const messageRepository = new MessageRepository(db, usage.counting)
  const sealing = new SealedData(() => options.secrets.key('events'), log)
  const eventRepository = new EventRepository(db, { sealing, onAdded: (tx, stored) => webhooks.plan(tx, stored) })
  const cursors = new NodeCursorRepository(db)
  const guarded = createGuardedClient({ allowCidrs: options.webhooks.allowCidrs })
  const nodeClient: NodeDirectory['get'] = (id) => directory.get(id)
  const messageFiles = new MessageFilesRepository(db)
  const files = createMedia({
    ...{ db, guarded, nodeClient, metrics, clock, log },
    dataDir: options.dataDir,
    s3: options.s3,
    limits: options.limits.of,
    liveNodes: () => links.liveNodes(),
    isToBeSent: (tenantId, id) => messageFiles.isToBeSent(tenantId, id),
    addEvents: (...args) => eventRepository.add(...args),
    onTold: () => streams.wake(),
  })
  const { media, copier, incoming } = files
  const numbers = new MessageMetrics({ metrics, open: new OpenMessagesRepository(db), clock })
  const news = new MessageNews((moved) => numbers.moved(moved))

  const open = new OpenMessages({ db, clock, messages: messageRepository, events: eventRepository })
  const storing = new EventStoring({
    ...{ db, cursors, open, clock, log },
    events: eventRepository,
    messages: messageRepository,
    media: files.repository,
    sessions: options.sessionEvents,
  })
  const links = new NodeLinks({
    ...{ directory, cursors, storing, clock: time, log },
    onLive: ({ nodeId }) => {
      copier.wake()
      usage.connected.live(nodeId)
    },
    strays: (...args) => options.strays(...args),
    onStored: (stored) => {
      numbers.stored(stored)
      news.relay(stored.messages)
      usage.connected.stored(stored.events)
      if (stored.hasFiles) copier.wake()
      if (stored.events.length > 0) streams.wake()
    },
  })
  addNodeMetrics({ metrics, directory, presence: links, clock: time })
  const handOver = new HandOver({
    ...{ db, time, log },
    media: files.nodes,
    messages: messageRepository,
    unsent: new UnsentMessages({ db, news, clock, messages: messageRepository, events: eventRepository }),
    sessions: {
      placesOf: (ids) => options.sessions().placesOf(ids),
      startAgain: async (id) => {
        const session = await sessions.find(id)
        if (session) await sessions.start(session)
      },
    },
    liveNode: (id) => links.liveNode(id),
    isSuspended,
  })
  const quotas = new Quotas({
    ...{ db, clock, time },
    repository: new QuotaRepository(db),
    limits: options.limits.of,
    addEvents: (...args) => eventRepository.add(...args),
    onTold: () => streams.wake(),
    onRefused: () => options.limits.onRefused('messages_per_day'),
  })
  const messages = new Messages({
    ...{ db, news, directory, open, sessions, keys, quotas, handOver, clock, time },
    repository: messageRepository,
    events: eventRepository,
    onAccepted: () => numbers.accepted(),
    keepMedia: ({ key }, { tenantId, id: sessionId }, kind, source) =>
      media.forSending({ tenantId, sessionId, mayUse: (other) => mayUse(key, other) }, kind, source),
  })
  const decisions = new MessageDecisions({
    ...{ db, news, directory, clock, time },
    repository: messageRepository,
    events: eventRepository,
    findSession: sessions.find,
    wake: (session) => handOver.wake(session),
  })
  const lostNodes = new LostNodes({
    ...{ db, cursors, open, news, directory, clock, log },
    sessions: options.sessionEvents,
    finishDeleting: (session) => options.sessions().deleted(session),
  })
  const views = new MessageViews({
    findSession: sessions.find,
    isNodePresent: (id) => directory.find(id)?.reachable ?? false,
    isSuspended,
    pendingMedia: (ids) => files.repository.pendingAmong(ids),
    mediaUrl: (id) => `${options.publicUrl()}/api/v1/media/${id}`,
  })
  const mediaLinks = new MediaLinks({
    secret: () => options.secrets.key('media'),
    publicUrl: options.publicUrl,
    validMs: options.mediaUrlMs,
    clock,
  })
  const presenter = new EventPresenter({
    pendingMedia: (ids) => files.repository.pendingAmong(ids),
    mediaUrl: (id) => mediaLinks.url(id),
  })
  const oldEvents = new OldEvents(db)
  const streams = createEventStreams({
    ...{ presenter, sessions, metrics, log },
    repository: eventRepository,
    keys: options.limits.admission,
    trimmedTo: (tenantId) => oldEvents.trimmedTo(tenantId),
  })
  const webhooks = createWebhooks({
    ...{ db, presenter, sessions, keys, keyed, metrics, clock, time, log },
    secrets: options.secrets,
    settings: options.webhooks,
    makeRoom: (tx, tenantId, count) => options.tenants.makeRoom(tx, tenantId, 'webhooks', count),
    events: () => eventRepository,
    pendingMedia: (ids) => files.repository.pendingAmong(ids),
    count: (...args) => usage.counting.countDeliveries(...args),
  })

  const retention = new Retention({
    ...{ metrics, clock, log },
    keep: options.retention,
    trimmings: {
      events: oldEvents,
      messages: new OldMessages(db),
      audit: new OldAudit(db),
      usage: new OldUsage(db),
      media: new OldMedia({ db, media, toBeSent: () => messageFiles.toBeSent() }),
      files: new StrayFiles(db, files.store),
    },
    turn: new RetentionTurn(db, clock),
  })

  const waiting: Service = { start: () => Promise.resolve(), stop: () => messages.stop() }
  const client: Service = { start: () => Promise.resolve(), stop: () => guarded.close() }
  const parts = inOrder(files.files, client, webhooks, links, copier, handOver, waiting, retention, usage, streams)
  return {
    start: parts.start,
    stop: parts.stop,
    presence: links,
    quotas,
    retention,
    usage,
    onSessionCreated: async (tx, { id: sessionId, tenantId, createdAt }) => {
      const at = createdAt.getTime()
      const created = { id: newId('evt'), tenantId, sessionId, at, ...sessionTold({ status: 'created' }) }
      await eventRepository.add(tx, [created], at)
    },
    onSessionDeleting: (session) => messages.failMost(session),
    onSessionDeleted: (tx, session) => messages.failOpen(tx, session),
    endWebhooks: (tenantId) => webhooks.webhooks.deleteAll(tenantId),
    removeFiles: (ids) => files.store.remove(ids as MediaId[]),
    open: [signedMediaRoutes({ media, links: mediaLinks })],
    keyless: (ctx) => isSignedMedia(ctx) || streams.keyless(ctx),
    routes: [
      // Before the others: `list` stands where a message's id could.
      shortMessageRoutes({ messages, views, keyed, media, incoming }),
      messageRoutes({ messages, views, keyed }),
      mediaRoutes({ media, incoming, keyed, keys }),
      decisionRoutes({ messages, decisions, views, keyed }),
      ...streams.routes,
      webhooks.routes,
      usage.routes,
      noticeRoutes({ events: eventRepository, presenter }),
      nodeRoutes({ directory, presence: links, lostNodes }),
    ],
  }
}
