/** For tests: a bot on a stand-in for Telegram, with a real gateway and a real node of sandbox sessions, in one process. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { readGatewayConfig } from '../gateway/config.js'
import { createGateway, type Gateway } from '../gateway/gateway.js'
import type { Content, NodeEvent, SessionId, SessionStatus } from '../proto/contract.js'
import type { DriveSandboxRequestInput } from '../proto/generated/switchboard/v1/DriveSandboxRequest.js'
import { contentToProto } from '../proto/mapping.js'
import { silentLog } from '../runtime/log.js'
import { startTestNode, type TestNode, type TestNodeOptions } from '../session-node/testing.js'
import { checkAnswer } from './api-contract.js'
import { createRest, type Rest } from './rest.js'
import { FakeTelegram, type FakeChat, type FakeUser } from './fake-telegram.js'
import { type BotOutside, createBot } from '../bot/bot.js'
import { readBotConfig } from '../bot/config.js'

export const OPERATOR = 1001
export const PHONE = '4915111111111'
export const CONTACT = '4915222222222'

/** Everything at once and nothing for long. */
export const hurry: NonNullable<BotOutside['timing']> = {
  outbox: { burst: 100, chatMs: 1, groupMs: 1, perSecond: 1_000, retryMs: 5 },
  line: { firstRetryMs: 10, lastRetryMs: 50 },
  alerts: { graceMs: 150, gatherMs: 100, gapMs: 100, checkMs: 20 },
  countdownMs: 200,
  relayRetryMs: 20,
}

export interface TestBot {
  telegram: FakeTelegram
  node: TestNode
  gateway: Gateway
  rest: Rest
  operator: FakeUser
  /** The operator's chat with the bot. */
  chat: FakeChat
  dataDir: string
  /** Settings of a bot that fits in here. */
  botEnv(): Record<string, string>
  startBot(options?: { env?: Record<string, string>; outside?: Partial<BotOutside> }): Promise<void>
  stopBot(): Promise<void>
  /** Starts a sandbox session, and waits until the node has it connected. */
  connected(name: string): Promise<SessionId>
  drive(sessionId: SessionId, action: Omit<DriveSandboxRequestInput, 'sessionId'>): Promise<string>
  /** A contact writes. */
  receive(sessionId: SessionId, content: Content | string, more?: object): Promise<string>
  stop(): Promise<void>
}

export function becomes({ body }: NodeEvent, status: SessionStatus): boolean {
  return body.kind === 'session_status' && body.session.status === status
}

export async function startTestBot(
  options: { node?: TestNodeOptions; gateway?: Record<string, string> } = {},
): Promise<TestBot> {
  const dataDir = await mkdtemp(join(tmpdir(), 'switchboard-bot-'))
  const telegram = await new FakeTelegram().start()
  const firstNode = await startTestNode(options.node)
  const nodeAddress = firstNode.node.address()
  const gatewayConfig = readGatewayConfig({
    ...{ DATA_DIR: join(dataDir, 'gateway'), PORT: '0', NODES: nodeAddress },
    ...options.gateway,
  })
  const gateway = createGateway(gatewayConfig, { log: silentLog() })
  await gateway.start()
  const apiKey = await gateway.issueKey({ name: 'bot', scopes: ['admin'] })
  const rest = createRest(gateway.localUrl(), apiKey, checkAnswer)
  let bot: ReturnType<typeof createBot> | undefined

  async function drive(sessionId: SessionId, action: Omit<DriveSandboxRequestInput, 'sessionId'>) {
    const { waMessageId } = await all.node.client.call('DriveSandbox', { sessionId, ...action })
    return waMessageId
  }

  const stopBot = async () => {
    await bot?.stop()
    bot = undefined
  }

  const botEnv = () => ({
    TELEGRAM_BOT_TOKEN: telegram.token,
    TELEGRAM_OPERATORS: String(OPERATOR),
    TELEGRAM_API_ROOT: telegram.apiRoot,
    GATEWAY_URL: gateway.localUrl(),
    GATEWAY_API_KEY: apiKey,
    NODES: nodeAddress,
    DATA_DIR: join(dataDir, 'bot'),
  })

  const all: TestBot = {
    telegram,
    node: firstNode,
    gateway,
    rest,
    operator: telegram.user(OPERATOR),
    chat: telegram.chat(OPERATOR),
    dataDir,
    botEnv,
    drive,
    stopBot,
    async startBot({ env = {}, outside = {} } = {}) {
      const config = readBotConfig({ ...botEnv(), ...env })
      if (!config) throw new Error('There should be a bot')
      bot = createBot(config, { log: silentLog(), timing: hurry, ...outside })
      await bot.start()
    },
    async connected(name) {
      const body = { name, engine: 'sandbox', sandbox: { phone: PHONE, autoPair: true } }
      const { id } = (await rest.post<{ id: SessionId }>('/sessions', body)).body
      await all.node.event((event) => event.sessionId === id && becomes(event, 'connected'))
      return id
    },
    receive: (sessionId, content, more = {}) => {
      const whole: Content = typeof content === 'string' ? { type: 'text', text: { body: content } } : content
      return drive(sessionId, {
        receive: { from: CONTACT, fromName: 'Ada <3', content: contentToProto(whole), ...more },
      })
    },
    async stop() {
      await stopBot()
      await gateway.stop()
      await all.node.stop()
      await telegram.stop()
      await rm(dataDir, { recursive: true, force: true })
    },
  }
  return all
}
