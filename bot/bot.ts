import { Telegraf } from 'telegraf'
import type { SessionId } from '../proto/contract.js'
import { NodeDirectory } from '../proto/node-directory.js'
import { type Clock, systemClock } from '../runtime/clock.js'
import { steadyClock } from '../runtime/steady-clock.js'
import { inOrder, type Service } from '../runtime/lifecycle.js'
import type { Logger } from '../runtime/log.js'
import { Metrics } from '../runtime/metrics.js'
import { Alerts, type AlertTiming } from './alerts/alerts.js'
import { EventLogAlerts } from './alerts/event-log-alerts.js'
import { HeldMessages } from './alerts/held-messages.js'
import { Incidents } from './alerts/incidents.js'
import { Notices } from './alerts/notices.js'
import { AuditTrail } from './audit/audit-trail.js'
import { Background } from './background.js'
import { botMetrics } from './bot-metrics.js'
import { BotState } from './bot-state.js'
import { Choices } from './choices.js'
import { usageOf } from './commands/command.js'
import { createCommands } from './commands/commands.js'
import type { BotConfig, GatewayAccess } from './config.js'
import { Dispatcher } from './dispatcher.js'
import { GatewayClient } from './gateway-client.js'
import { createNews } from './news.js'
import { NodeWatcher } from './node-watcher.js'
import { QrPhotos } from './qr/qr-photos.js'
import { RelayRecords } from './relay/relay-records.js'
import { Relays } from './relay/relays.js'
import { MediaCourier } from './sends/media-courier.js'
import { SendRecords } from './sends/send-records.js'
import { Sends } from './sends/sends.js'
import { FindSession } from './sessions/find-session.js'
import { Tenants } from './sessions/tenants.js'
import { LiveSessions } from './sessions/live-sessions.js'
import { Inbox } from './telegram/inbox.js'
import { Outbox, type OutboxLimits } from './telegram/outbox.js'
import { Talk } from './telegram/talk.js'
import { TelegramApi } from './telegram/telegram-api.js'
import { type LineTiming, TelegramLine } from './telegram/telegram-line.js'
import { WebhookServer } from './telegram/webhook-server.js'

export interface BotOutside {
  log: Logger
  clock?: Clock
  /** Where it counts; told by whoever made it. */
  metrics?: Metrics
  /** Started and stopped by whoever gives it. */
  directory?: NodeDirectory
  /** Addresses of the nodes, asked each time they are looked for; NODES unless given. */
  nodes?: () => string[]
  /** For a gateway in the same process; asked for at each call. `config.gateway` unless given. */
  gateway?: () => GatewayAccess
  /** Tests are in a hurry. */
  timing?: {
    outbox?: OutboxLimits
    line?: LineTiming
    alerts?: AlertTiming
    countdownMs?: number
    relayRetryMs?: number
  }
}

const PRUNE_MS = 3_600_000

/** The bot. It starts whether or not Telegram, gateway and nodes answer, and goes on when they do. */
export function createBot(config: BotConfig, outside: BotOutside): Service {
  const { log, clock = systemClock, timing = {} } = outside
  const steady = outside.clock ?? steadyClock()
  const { operators } = config
  const state = new BotState(config.dataDir)
  const directory = outside.directory ?? directoryOf(config, outside)
  const live = new LiveSessions(directory, state, steady, log)
  const gateway = new GatewayClient(outside.gateway ?? (() => accessOf(config)), (id) => live.find(id)?.tenantId)
  const tenants = new Tenants(gateway)

  // The slash keeps a path in TELEGRAM_API_ROOT.
  const apiRoot = `${config.apiRoot.replace(/\/$/, '')}/`
  const telegraf = new Telegraf(config.token, {
    telegram: { apiRoot, webhookReply: false },
    handlerTimeout: Infinity,
  })
  const { onCall, onUpdate, onCommand, watch } = botMetrics(outside.metrics ?? new Metrics())
  const api = new TelegramApi(telegraf, onCall)
  const outbox = new Outbox(api, log, timing.outbox)
  watch({ waiting: () => outbox.waiting(), nodes: directory })
  outbox.onChatMoved((from, to) => state.moveChat(from, to))
  const talk = new Talk(outbox, api)
  const background = new Background()

  const audit = new AuditTrail({ state, gateway, clock, log })
  const botId = Number(config.token.split(':')[0])
  const sends = new Sends({
    botId,
    records: new SendRecords(state),
    live,
    tenants,
    audit,
    talk,
    background,
    clock,
    log,
  })
  const relayRecords = new RelayRecords(state)
  const relays = new Relays({
    ...{ records: relayRecords, live, gateway, talk, outbox, clock, log },
    ...(timing.relayRetryMs === undefined ? {} : { retryMs: timing.relayRetryMs }),
  })
  const qrPhotos = new QrPhotos({
    ...{ state, live, talk, background, clock, log },
    ...(timing.countdownMs === undefined ? {} : { countdownMs: timing.countdownMs }),
  })
  const alerts = new Alerts({
    ...{ operators, incidents: new Incidents(state), live, talk, clock: steady, log },
    isBeingLinked: (sessionId) => qrPhotos.isShown(sessionId),
    ...(timing.alerts ? { timing: timing.alerts } : {}),
  })
  const heldMessages = new HeldMessages({ operators, state, live, talk, background, clock, log })
  const checkMs = timing.alerts?.checkMs
  const eventLogs = new EventLogAlerts({ operators, directory, talk, log, ...(checkMs ? { checkMs } : {}) })
  const notices = new Notices({ operators, state, gateway, talk, log, ...(checkMs ? { checkMs } : {}) })
  const news = createNews({ live, sends, relays, qrPhotos, alerts, heldMessages, state })
  const watcher = new NodeWatcher(directory, state, news, log)

  const { commands, taps, onMessage } = createCommands({
    ...{ directory, live, tenants, gateway, audit, sends, heldMessages, qrPhotos, state, talk, clock },
    sessions: new FindSession(live, tenants),
    courier: new MediaCourier(api),
    relays: relayRecords,
  })
  const nameOf = (id: SessionId) => live.nameOf(id)
  const choices = new Choices(state, clock)
  const dispatcher = new Dispatcher({
    commands,
    taps,
    onMessage,
    nameOf,
    titleOf: (session) => tenants.titleOf(session),
    talk,
    choices,
    background,
    onCommand,
    clock,
    log,
  })
  dispatcher.install(telegraf)
  const inbox = new Inbox({ state, operators, handle: (update) => telegraf.handleUpdate(update), onUpdate, clock, log })
  const line = new TelegramLine({
    ...{ telegraf, api, webhook: config.webhook, log },
    menu: commands.map((command) => ({ command: command.name, description: menuText(command) })),
    take: (update) => inbox.take(update),
    // What an earlier run left is taken up once Telegram can be answered.
    connected: () => inbox.start(),
    ...(timing.line ? { timing: timing.line } : {}),
  })

  const parts = inOrder(
    state,
    hourly(() => state.prune(clock())),
    ...(outside.directory ? [] : [directory]),
    background,
    audit,
    qrPhotos,
    sends,
    heldMessages,
    relays,
    watcher,
    alerts,
    eventLogs,
    notices,
    // Stopped before those who wait for it.
    outbox,
    { start: () => Promise.resolve(), stop: () => inbox.stop() },
    ...(config.webhook ? [new WebhookServer(config.webhook, (update) => inbox.take(update), log)] : []),
    line,
  )
  const start = async () => {
    await parts.start()
    log.info({ bot: botId, operators: operators.length, mode: config.webhook ? 'webhook' : 'polling' }, 'bot.started')
  }
  return { start, stop: () => parts.stop() }
}

/** Telegram's menu has one short line per command. */
function menuText(command: Parameters<typeof usageOf>[0] & { summary: string }): string {
  return command.usage ? `${command.usage} ${command.summary}` : command.summary
}

function directoryOf({ nodes, security }: BotConfig, outside: BotOutside): NodeDirectory {
  return new NodeDirectory({
    get targets() {
      return outside.nodes?.() ?? nodes
    },
    security,
    log: outside.log,
  })
}

function accessOf({ gateway }: BotConfig): GatewayAccess {
  if (!gateway) throw new Error('The bot was not told where the gateway is')
  return gateway
}

function hourly(work: () => void): Service {
  let timer: NodeJS.Timeout | undefined
  return {
    start: () => {
      work()
      timer = setInterval(work, PRUNE_MS)
      return Promise.resolve()
    },
    stop: () => {
      clearInterval(timer)
      return Promise.resolve()
    },
  }
}
